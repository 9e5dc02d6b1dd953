"""Replies: a body that cannot be sent whole is noticed, and counted as what it is."""

from __future__ import annotations

import io
import json
import os
from collections.abc import MutableMapping
from pathlib import Path
from typing import Any

import pytest

from tests.cache.support import TickingClock
from tests.metrics import total
from tintype.services.answers import Timings
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
from tintype.web.reply import Desk, Reply, Request
from tintype.web.slow import SlowLog

BODY = bytes(range(256)) * 4096  # four pieces


@pytest.mark.parametrize("kept", [len(BODY), 300_000, 0])
async def test_a_file_that_ends_early_is_a_body_cut_short(kept: int, tmp_path: Path) -> None:
    log, sent = io.StringIO(), []
    telemetry = NodeTelemetry(TelemetrySettings(), out=log, strict=True)
    file = tmp_path / "original"
    file.write_bytes(BODY[:kept])

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    desk = Desk(telemetry, TickingClock(), 10.0, SlowLog(0, TickingClock(), telemetry))
    reply = Reply(send, Request("GET", "/x", {}, b"id", desk.clock.monotonic(), (b"/x", b"")), desk)
    fd = os.open(file, os.O_RDONLY)
    try:
        await reply.file([], fd, len(BODY), b"", Timings())
    finally:
        os.close(fd)
    whole = kept == len(BODY)
    assert b"".join(message.get("body", b"") for message in sent[1:]) == BODY[:kept]
    assert bool(sent[-1].get("more_body")) is not whole or kept == 0  # what is short is not ended as if it were whole
    assert total(telemetry.registry, "tintype_short_bodies_total", {}) == (not whole)
    assert json.loads(log.getvalue())["outcome"] == ("raw" if whole else "cut_short")
    assert total(telemetry.registry, "tintype_request_seconds_count", {"kind": "other"}) == 1

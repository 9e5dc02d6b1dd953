"""The gate of the control API: whose bodies are read, and how much of them."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest

from tests.web.test_mounts import MOUNTS
from tintype.telemetry.clock import SystemClock
from tintype.web.control import control_api

_CHUNK = b" " * 10_000


def ask(authorization: str, chunks: int) -> tuple[int, int]:
    """Return the status, and how many chunks of the body were taken."""
    api = control_api(None, lambda: MOUNTS, SystemClock(), "admin")  # type: ignore[arg-type]  # no purge comes so far
    headers = [(b"authorization", authorization.encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/purge", "headers": headers, "query_string": b""}
    taken, sent = 0, []

    async def receive() -> MutableMapping[str, Any]:
        nonlocal taken
        taken += 1
        return {"type": "http.request", "body": _CHUNK, "more_body": taken < chunks}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    asyncio.run(api(scope, receive, send))
    return sent[0]["status"], taken


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer wrong", "Basic admin", "admin", "Bearer admin2"])
def test_without_the_token_nothing_of_a_body_is_read(authorization: str) -> None:
    assert ask(authorization, 1000) == (403, 0)


def test_with_the_token_a_body_is_read_up_to_a_bound() -> None:
    status, taken = ask("Bearer admin", 1000)
    assert (status, taken < 10) == (400, True)
    assert ask("bearer admin", 2) == (422, 2)

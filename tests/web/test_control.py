"""The gate of the control API: whose bodies are read, and how much of them."""

from __future__ import annotations

import asyncio
from collections.abc import MutableMapping
from typing import Any

import pytest
from fastapi import APIRouter
from pydantic import ValidationError

from tests.web.test_mounts import MOUNTS
from tintype.telemetry.clock import SystemClock
from tintype.web.control import PurgeRequest, control_api

_CHUNK = b" " * 10_000


def ask(authorization: str, chunks: int) -> tuple[int, int]:
    """Return the status, and how many chunks of the body were taken."""
    api = control_api(None, APIRouter(), lambda: MOUNTS, SystemClock(), "admin")  # type: ignore[arg-type]  # nothing comes so far
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


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "exactly one"),
        ({"tag": "a", "source": "b"}, "exactly one"),
        ({"tag": ""}, "exactly one"),
        ({"all": True, "prefix": "x"}, "exactly one"),
        ({"tag": "cats", "soft": True}, "source or prefix"),
        ({"tags": "cats"}, "Extra inputs"),
        ({"tag": "x" * 257}, "at most 256"),
    ],
)
def test_what_is_no_purge(body: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        PurgeRequest.model_validate(body)


@pytest.mark.parametrize("body", [{"tag": "cats"}, {"all": True, "soft": True}, {"url": "/a/b", "soft": True}])
def test_what_is_a_purge(body: dict[str, object]) -> None:
    assert PurgeRequest.model_validate(body).model_dump(exclude_defaults=True) == body

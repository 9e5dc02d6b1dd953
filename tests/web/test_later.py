"""An application made at its first request: once for all who ask meanwhile, while others are served."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import MutableMapping
from typing import Any

import pytest

from tintype.web.front import ASGIApp
from tintype.web.later import Later
from tintype.web.reply import Receive, Scope, Send


async def answer(scope: Scope, _receive: Receive, send: Send) -> None:
    await send({"type": "told", "path": scope["path"]})


async def ask(app: Later, path: str) -> Any:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        raise AssertionError("nothing is read")

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    await app({"type": "http", "path": path}, receive, send)
    return sent[0]["path"]


async def test_it_is_made_once_for_all_who_ask_and_the_loop_goes_on_meanwhile() -> None:
    made, begun, go_on = [], asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    def make() -> ASGIApp:
        made.append(threading.current_thread())
        loop.call_soon_threadsafe(begun.set)
        assert go_on.wait(60)
        return answer

    later = Later(make)
    assert not made
    both = [asyncio.ensure_future(ask(later, path)) for path in ("/a", "/b")]
    await begun.wait()
    both.append(asyncio.ensure_future(ask(later, "/c")))
    both[0].cancel()  # who asked first has left
    await asyncio.wait(both[:1])
    go_on.set()
    assert await asyncio.gather(*both[1:]) == ["/b", "/c"]
    assert await ask(later, "/d") == "/d"
    assert len(made) == 1
    assert made[0] is not threading.current_thread()


async def test_what_could_not_be_made_is_made_anew_for_the_next() -> None:
    tries = []

    def make() -> ASGIApp:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("too many open files")
        return answer

    later = Later(make)
    with pytest.raises(OSError, match="too many"):
        await ask(later, "/a")
    assert await ask(later, "/b") == "/b"

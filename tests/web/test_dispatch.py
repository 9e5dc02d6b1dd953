"""The quick path is asked in the server's own thread, by a real server; what it declines goes to the loop."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

import aiohttp
import pytest
from granian import _futures
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from tests.cache.support import Seen
from tests.e2e.node import free_port
from tintype.web.dispatch import dispatched
from tintype.web.front import Front
from tintype.web.pulse import Pulse
from tintype.web.room import Room


class Stand:
    """Stands where a front does: answers what is quick in one word and the rest in another, and notes the threads."""

    def __init__(self) -> None:
        self.quick_threads: list[threading.Thread] = []
        self.usual_threads: list[threading.Thread] = []
        self.pulse = Pulse(time.monotonic, lambda: None)
        self.room = Room(100)

    def quick(self, scope: Any) -> Any:
        self.quick_threads.append(threading.current_thread())
        if scope["path"] == "/broken":
            raise RuntimeError("a defect")
        if not scope["path"].startswith("/quick"):
            return None
        return _messages(b"quick", _status(scope))

    async def __call__(self, scope: Any, _receive: Any, send: Any) -> None:
        self.usual_threads.append(threading.current_thread())
        for message in _messages(b"usual", _status(scope)):
            await send(message)


def _status(scope: Any) -> int:
    return 503 if scope["path"].endswith("refused") else 200


def _messages(body: bytes, status: int) -> tuple[dict[str, Any], dict[str, Any]]:
    headers = [(b"content-length", b"%d" % len(body)), (b"x-name", "ä".encode())]
    start = {"type": "http.response.start", "status": status, "headers": headers}
    return start, {"type": "http.response.body", "body": body}


async def until_listening(port: int) -> None:
    async with asyncio.timeout(30):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
            except ConnectionRefusedError:
                await asyncio.sleep(0.02)
            else:
                writer.close()
                return


@asynccontextmanager
async def served(stand: Stand, seen: Seen) -> AsyncIterator[str]:
    port = free_port()
    app = dispatched(cast("Front", stand), seen, stand.room)
    server = Server(
        app, address="127.0.0.1", port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1, websockets=False
    )
    serving = asyncio.ensure_future(server.serve())
    try:
        await until_listening(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait((serving,), timeout=5)


async def ask(base: str, *paths: str) -> list[bytes]:
    async with aiohttp.ClientSession() as session:
        answers = []
        for path in paths:
            async with session.get(base + path) as answer:
                answers.append(await answer.read())
        return answers


async def test_hits_do_not_come_to_the_loop() -> None:
    stand, seen = Stand(), Seen()
    async with served(stand, seen) as base:
        assert await ask(base, "/quick", "/other", "/quick") == [b"quick", b"usual", b"quick"]
    assert len(stand.quick_threads) == 3
    assert threading.main_thread() not in stand.quick_threads
    assert stand.usual_threads == [threading.main_thread()]


async def test_a_defect_of_the_quick_path_takes_the_usual_way_and_is_told() -> None:
    stand, seen = Stand(), Seen()
    async with served(stand, seen) as base:
        assert await ask(base, "/broken", "/quick") == [b"usual", b"quick"]
    assert [facts["error"] for facts in seen.named("defect")] == ["RuntimeError('a defect')"]


@pytest.mark.parametrize(("scarce", "closes"), [(False, set[str]()), (True, {"/quick/refused", "/refused"})])
async def test_a_refusal_ends_its_connection_while_room_is_scarce(scarce: bool, closes: set[str]) -> None:
    stand = Stand()
    stand.room.scarce = scarce
    async with served(stand, Seen()) as base:
        for path in ("/quick", "/quick/refused", "/other", "/refused"):
            reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode() * (1 if path in closes else 2))
            answers = await reader.readuntil(b"quick" if "quick" in path else b"usual")
            assert (b"connection: close" in answers) is (path in closes)
            rest = await asyncio.wait_for(reader.read(1), 60)
            assert rest == (b"" if path in closes else b"H")  # the end, or the second answer
            writer.close()


async def test_one_server_after_another_asks_its_own_front() -> None:
    first, second = Stand(), Stand()
    async with served(first, Seen()) as base:
        await ask(base, "/quick")
    async with served(second, Seen()) as base:
        await ask(base, "/quick", "/other")
    assert (len(first.quick_threads), len(second.quick_threads)) == (1, 2)


async def test_without_the_place_in_the_server_hits_are_answered_in_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = getattr(_futures._cbsched_aioschedule, "usual", _futures._cbsched_aioschedule)
    monkeypatch.setattr(_futures, "_cbsched_aioschedule", usual)
    stand, seen = Stand(), Seen()
    real, asked = dispatched(cast("Front", stand), seen, Room(100)), []
    monkeypatch.setattr(_futures, "_cbsched_aioschedule", usual)  # as another version of the server would be

    async def send(message: Any) -> None:
        asked.append(message)

    await real({"type": "http", "path": "/quick"}, cast("Any", None), send)
    await real({"type": "http", "path": "/other"}, cast("Any", None), send)
    assert [message["body"] for message in asked if "body" in message] == [b"quick", b"usual"]

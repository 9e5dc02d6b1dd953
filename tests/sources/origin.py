"""An origin on loopback that does exactly what a test tells it, down to single bytes, and remembers who asked for what."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + bytes(range(256)) * 8


@dataclass
class Asked:
    """One request, as the origin saw it. Header names in lower case."""

    path: str
    headers: dict[str, str]
    writer: asyncio.StreamWriter = field(repr=False)

    async def send(self, raw: bytes) -> None:
        self.writer.write(raw)
        await self.writer.drain()

    async def answer(self, body: bytes = JPEG, status: int = 200, **headers: str) -> None:
        """Answer properly; underscores in header names are dashes."""
        lines = {"content-length": str(len(body)), **{name.replace("_", "-"): value for name, value in headers.items()}}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        await self.send(f"HTTP/1.1 {status} X\r\n{head}\r\n".encode() + body)

    async def hang_up(self) -> None:
        self.writer.close()


Handler = Callable[[Asked], Awaitable[None]]


class Origin:
    """A server; `on[path]` says what happens at a path, anything else is 404. An async context manager."""

    def __init__(self) -> None:
        self.on: dict[str, Handler] = {}
        self.asked: list[Asked] = []
        self.connections = 0
        self.port = 0
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def count(self, path: str) -> int:
        return Counter(asked.path for asked in self.asked)[path]

    def serve(self, path: str, body: bytes = JPEG, status: int = 200, **headers: str) -> None:
        """Answer a path, and what asks conditionally with the right ETag with 304."""

        async def handle(asked: Asked) -> None:
            etag = headers.get("etag")
            if etag and asked.headers.get("if-none-match") == etag:
                await asked.answer(b"", 304, **headers)
            else:
                await asked.answer(body, status, **headers)

        self.on[path] = handle

    async def stop(self) -> None:
        """Go away: connections break, new ones are refused."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._open):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._open.add(writer)
        try:
            while not writer.is_closing():
                asked = _read(await reader.readuntil(b"\r\n\r\n"), writer)
                self.asked.append(asked)
                handler = self.on.get(asked.path)
                await (handler(asked) if handler else asked.answer(b"no", 404))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()


def _read(head: bytes, writer: asyncio.StreamWriter) -> Asked:
    first, *lines = head.decode("latin-1").split("\r\n")
    headers: Mapping[str, str] = dict(line.split(": ", 1) for line in lines if line)
    return Asked(first.split(" ")[1], {name.lower(): value for name, value in headers.items()}, writer)

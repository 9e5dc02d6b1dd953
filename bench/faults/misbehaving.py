"""Clients that misbehave: they write a byte a second, write heads without end, say nothing, or read 1 KB a second."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import resource
import socket
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

_PIECE, _BYTES_PER_S = b"a" * 16_384, 1024
_DRAIN_S = 60.0


@dataclass
class Misbehaving:
    """Clients of one node, until `stop` is set. `path`: of the body that is read slowly."""

    port: int
    path: str
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: int = 0  # of those that write slowly, or without end
    digests: list[str] = field(default_factory=list)  # of bodies that were read slowly, and after `stop` to their end
    idle: int = 0
    most_idle: int = 0

    async def run(self, *, drips: int, floods: int, idle: int, readers: int) -> None:
        most = min(idle, _descriptors() - drips - floods - readers - 200)
        clients: list[Coroutine[Any, Any, None]] = [self._read() for _ in range(readers)]
        clients += [self._again(self._drip) for _ in range(drips)] + [self._again(self._flood) for _ in range(floods)]
        await asyncio.gather(*clients, *(self._again(self._wait) for _ in range(most)))

    async def _again(self, what: Any) -> None:
        """Do it again and again: each time it is let go, it connects anew."""
        while not self.stop.is_set():
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await what(reader, writer)
                finally:
                    writer.close()
            await self._pause(0.2)

    async def _drip(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\nX: ")
        while not (self.stop.is_set() or reader.at_eof()):
            writer.write(b"a")
            await writer.drain()
            await self._pause(1.0)
        self.let_go += reader.at_eof()

    async def _flood(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"GET /health HTTP/1.1\r\nHost: a\r\n")
        try:
            while not (self.stop.is_set() or reader.at_eof()):
                writer.write(b"X: " + _PIECE + b"\r\n")
                await writer.drain()
        finally:
            self.let_go += not self.stop.is_set()

    async def _wait(self, reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        self.idle += 1
        self.most_idle = max(self.most_idle, self.idle)
        stopped, ended = asyncio.ensure_future(self.stop.wait()), asyncio.ensure_future(reader.read(1))
        await asyncio.wait((stopped, ended), return_when=asyncio.FIRST_COMPLETED)
        stopped.cancel()
        ended.cancel()
        self.idle -= 1

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.setblocking(False)
            await loop.sock_connect(client, ("127.0.0.1", self.port))
            await loop.sock_sendall(
                client, f"GET {self.path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n".encode()
            )
            got = bytearray()
            while not self.stop.is_set():
                got += await loop.sock_recv(client, _BYTES_PER_S)
                await self._pause(1.0)
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(_DRAIN_S):
                    while more := await loop.sock_recv(client, 65_536):
                        got += more
        self.digests.append(hashlib.sha256(bytes(got).partition(b"\r\n\r\n")[2]).hexdigest())

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.stop.wait(), seconds)


def _descriptors() -> int:
    """Have the system allow this process as many as it may have; returns how many."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard if hard != resource.RLIM_INFINITY else 1_000_000

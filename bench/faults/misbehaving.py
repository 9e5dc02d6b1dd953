"""Clients that misbehave: they write a byte a second, write heads without end, say nothing, or read 1 KB a second.

They are a process of their own, behind all others: real ones are on machines of their own, and take none of the cores that the
node and those who ask it for images have. They come at times of their own, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import random
import resource
import socket
import subprocess
import sys
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

_PIECE, _BYTES_PER_S = b"a" * 16_384, 1024
_DRAIN_S = 60.0
_LAST = 19  # of nice(2)


class Misbehaving:
    """As many as are told, from now on until `ended`. `path`: of the body that is read slowly."""

    def __init__(self, port: int, path: str, **counts: int) -> None:
        given = json.dumps({"port": port, "path": path, "counts": counts})
        command = [sys.executable, "-m", "bench.faults.misbehaving", given]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def ended(self) -> dict[str, Any]:
        """End them, but for those who read: they do so to the end. Returns what they saw; see `Clients`."""
        found: dict[str, Any] = json.loads(self._process.communicate(b"")[0])
        return found


@dataclass
class Clients:
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
            await self._pause(random.random())
            with contextlib.suppress(OSError):
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await what(reader, writer)
                finally:
                    writer.close()

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
            await self._pause(random.random())
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


async def _clients(port: int, path: str, counts: dict[str, int]) -> Clients:
    """Have clients misbehave until the standard input ends."""
    clients = Clients(port, path)
    running = asyncio.ensure_future(clients.run(**counts))
    await asyncio.to_thread(sys.stdin.read)
    clients.stop.set()
    await running
    return clients


if __name__ == "__main__":
    os.nice(_LAST)
    seen = asyncio.run(_clients(**json.loads(sys.argv[1])))
    print(json.dumps({"let_go": seen.let_go, "digests": seen.digests, "most_idle": seen.most_idle}))

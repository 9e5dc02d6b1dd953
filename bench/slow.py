"""An origin that takes its time: every file a little late, one in fifty very late; the same ones for everybody.

Its own work does not depend on how late it is: a request is a timer, and an answer one write of a whole file. What the
node has less to do with is then not what this server, on the same cores, has more to do with.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import cast

import uvloop

from bench.node import free_port
from bench.origin import started

_SELDOM = 50
_END = b"\r\n\r\n"


@contextlib.contextmanager
def serving(root: Path, _work: Path, *, delay_ms: int = 0, seldom_ms: int = 0) -> Iterator[str]:
    """Serve a folder from a process of its own, each file `delay_ms` late, 2 % of them `seldom_ms`; yields the base URL."""
    port = free_port()
    command = [sys.executable, "-c", "from bench.slow import main; main()", str(root)]
    with started([*command, *map(str, (port, delay_ms, seldom_ms))], port) as base:
        yield base


def late_ms(name: str, delay_ms: int, seldom_ms: int) -> int:
    """Return how late a file is."""
    return seldom_ms if zlib.crc32(name.encode()) % _SELDOM == 0 else delay_ms


class _Connection(asyncio.Protocol):
    """Answers one GET after the other on a connection that is kept."""

    def __init__(self, root: Path, delay_ms: int, seldom_ms: int) -> None:
        self._root, self._delay_ms, self._seldom_ms = root, delay_ms, seldom_ms
        self._asked = b""
        self._transport: asyncio.WriteTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)  # uvloop's own

    def connection_lost(self, _: Exception | None) -> None:
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._asked += data
        while _END in self._asked:
            head, _, self._asked = self._asked.partition(_END)
            name = head.split(b" ", 2)[1].decode("ascii").rpartition("/")[2]
            late_s = late_ms(name, self._delay_ms, self._seldom_ms) / 1000
            asyncio.get_running_loop().call_later(late_s, self._answer, name)

    def _answer(self, name: str) -> None:
        if self._transport is None:
            return
        file = self._root / name
        status, body = ("200 OK", file.read_bytes()) if name and file.is_file() else ("404 Not Found", b"")
        kind = "image/jpeg" if file.suffix == ".jpg" else "application/octet-stream"
        fields = f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\nCache-Control: max-age=3600"
        self._transport.writelines([f"HTTP/1.1 {status}\r\n{fields}\r\n\r\n".encode(), body])


def main() -> None:
    """Serve the folder, on the port, with the delays that the command line names."""
    root, (port, delay_ms, seldom_ms) = Path(sys.argv[1]), map(int, sys.argv[2:5])

    async def serve() -> None:
        make = partial(_Connection, root, delay_ms, seldom_ms)
        server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", port)
        await server.serve_forever()

    uvloop.run(serve())

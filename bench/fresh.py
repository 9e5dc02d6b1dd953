"""An origin that never runs out: any path ending in the name of one of its files is that file, with the path in a comment."""

from __future__ import annotations

import asyncio
import contextlib
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from bench.cells import distinct
from bench.node import free_port
from bench.origin import started


@contextlib.contextmanager
def serving(root: Path) -> Iterator[str]:
    """Serve a folder from a process of its own; yields the base URL, below which `/ANYTHING/NAME` are distinct files."""
    port = free_port()
    command = [sys.executable, "-c", "from bench.fresh import main; main()", str(root), str(port)]
    with started(command, port) as base:
        yield base


def main() -> None:
    """Serve the folder, on the port, that the command line names."""
    root, port = Path(sys.argv[1]), int(sys.argv[2])
    bodies = {file.name: file.read_bytes() for file in root.iterdir()}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode("latin-1").partition("?")[0]
                body = bodies.get(path.rpartition("/")[2])
                if body is None:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    continue
                body = distinct(body, zlib.crc32(path.encode()))
                head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nCache-Control: max-age=3600\r\n\r\n"
                writer.write(head.encode())
                writer.write(body)
                await writer.drain()
        writer.close()

    async def run() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", port, backlog=4096)
        await server.serve_forever()

    asyncio.run(run())

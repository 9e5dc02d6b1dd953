"""The least a server of the same kind can do: one body of a given size for every path, on the node's own HTTP server."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import logging
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import granian.log
import uvloop
from granian.constants import HTTPModes, Interfaces
from granian.server.embed import Server

from bench.node import ask, end, free_port

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


@contextlib.contextmanager
def serving(size: int) -> Iterator[tuple[int, int]]:
    """Serve `size` bytes from a process of its own; yields its port and process id."""
    port = free_port()
    command = [sys.executable, "-c", "from bench.noop import main; main()", str(port), str(size)]
    process = subprocess.Popen(command)
    try:
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError, http.client.HTTPException):
                ask(port, "/")
                break
            time.sleep(0.02)
        yield port, process.pid
    finally:
        end(process)


def main() -> None:
    port, size = int(sys.argv[1]), int(sys.argv[2])
    body = bytes(size)
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"content-type", b"image/jpeg"), (b"content-length", str(size).encode())],
    }

    async def app(_scope: Any, _receive: Any, send: Send) -> None:
        await send(start)
        await send({"type": "http.response.body", "body": body})

    logging.getLogger(granian.log.logger.name).setLevel(logging.ERROR)

    async def serve() -> None:
        server = Server(
            app,
            address="127.0.0.1",
            port=port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=False,
            log_enabled=False,
        )
        await server.serve()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())

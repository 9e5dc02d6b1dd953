"""An origin that takes its time: every file a little late, one in fifty very late; the same ones for everybody."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web

from bench.node import end, free_port
from bench.origin import wait

_SELDOM = 50


@contextlib.contextmanager
def serving(root: Path, _work: Path, *, delay_ms: int = 0, seldom_ms: int = 0) -> Iterator[str]:
    """Serve a folder from a process of its own, each file `delay_ms` late, 2 % of them `seldom_ms`; yields the base URL."""
    port = free_port()
    command = [sys.executable, "-c", "from bench.slow import main; main()", str(root)]
    process = subprocess.Popen([*command, *map(str, (port, delay_ms, seldom_ms))], stderr=subprocess.DEVNULL)
    try:
        wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def late_ms(name: str, delay_ms: int, seldom_ms: int) -> int:
    """Return how late a file is."""
    return seldom_ms if zlib.crc32(name.encode()) % _SELDOM == 0 else delay_ms


def main() -> None:
    """Serve the folder, on the port, with the delays that the command line names."""
    root, (port, delay_ms, seldom_ms) = Path(sys.argv[1]), map(int, sys.argv[2:5])

    async def file(request: web.Request) -> web.StreamResponse:
        name = request.match_info["name"]
        await asyncio.sleep(late_ms(name, delay_ms, seldom_ms) / 1000)
        target = root / Path(name).name
        return (
            web.FileResponse(target, headers={"Cache-Control": "max-age=3600"})
            if target.is_file()
            else web.Response(status=404)
        )

    app = web.Application()
    app.router.add_get("/{name:.*}", file)
    web.run_app(app, host="127.0.0.1", port=port, print=None)

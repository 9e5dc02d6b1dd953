"""An origin of sources: a folder over HTTP from a process of its own, nginx where it is installed."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from aiohttp import web

from bench.node import ask, end, free_port

_NGINX = """
{user} daemon off; worker_processes 1; pid {work}/nginx.pid; error_log {work}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  types {{ image/jpeg jpg; image/png png; image/webp webp; }}
  server {{ listen 127.0.0.1:{port}; root {root}; add_header Cache-Control "max-age={fresh_s}"; }}
}}
"""


@contextlib.contextmanager
def serving(root: Path, work: Path, *, fresh_s: int = 3600) -> Iterator[str]:
    """Serve a folder; yields the base URL. Answers stay fresh for `fresh_s` seconds."""
    port = free_port()
    work.mkdir(parents=True, exist_ok=True)
    if program := nginx():
        config = work / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""  # else nginx would leave root, and not read our folder
        config.write_text(_NGINX.format(user=user, work=work, port=port, root=root.resolve(), fresh_s=fresh_s))
        command = [program, "-c", str(config), "-p", str(work)]
    else:
        command = [sys.executable, "-c", "from bench.origin import serve_files; serve_files()"]
        command += [str(root), str(port), str(fresh_s)]
    with started(command, port) as base:
        yield base


def nginx() -> str | None:
    """Return nginx's path, if it is installed."""
    return shutil.which("nginx", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin:/opt/homebrew/bin")


@contextlib.contextmanager
def started(command: Sequence[str], port: int) -> Iterator[str]:
    """Run a server that will listen on a port until the block ends; yields its base URL once it does."""
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        wait(port)
        yield f"http://127.0.0.1:{port}"
    finally:
        end(process)


def serve_files() -> None:
    """Serve the folder, on the port, with the lifetime that the command line names: for machines without nginx."""
    root, port, fresh_s = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])

    async def fresh(_request: web.Request, response: web.StreamResponse) -> None:
        response.headers["Cache-Control"] = f"max-age={fresh_s}"

    app = web.Application()
    app.on_response_prepare.append(fresh)
    app.router.add_static("/", root)
    web.run_app(app, host="127.0.0.1", port=port, print=None)


def wait(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError, http.client.HTTPException):
            ask(port, "/")
            return
        time.sleep(0.02)
    raise RuntimeError("the origin does not answer")

"""An origin for tests: a real HTTP server whose answers a test sets, and which counts what it was asked."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Page:
    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    after: threading.Event | None = None  # it is sent once this is set
    cut: bool = False  # announce everything, send half


class Origin:
    """`pages` by path; `asked` has (path, headers) of every request, in order."""

    def __init__(self, port: int = 0) -> None:
        self.pages: dict[str, Page] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        origin = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: object) -> None:
                pass

            def do_GET(self) -> None:
                origin.answer(self)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}"

    def count(self, path: str) -> int:
        return sum(1 for asked, _ in self.asked if asked == path)

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.asked.append((request.path, {k.lower(): v for k, v in request.headers.items()}))
        page = self.pages.get(request.path, Page(b"no", 404))
        time.sleep(page.delay_s)
        if page.after is not None:
            page.after.wait(60)
        status, body = page.status, page.body
        etag = page.headers.get("ETag")
        if etag and request.headers.get("If-None-Match") == etag:
            status, body = 304, b""
        with contextlib.suppress(OSError):
            request.send_response(status)
            for name, value in page.headers.items():
                request.send_header(name, value)
            request.send_header("Content-Length", str(len(body)))
            request.end_headers()
            request.wfile.write(body[: len(body) // 2] if page.cut else body)
        if page.cut:
            request.close_connection = True


@contextlib.contextmanager
def origin_server() -> Iterator[Origin]:
    origin = Origin()
    try:
        yield origin
    finally:
        origin.server.shutdown()
        origin.server.server_close()

"""Clients that behave badly, and good ones beside them."""

from __future__ import annotations

import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from tests.e2e.node import Node
from tests.threads import Threads

TIMEOUT_S = 30


def connected(port: int, *, receives: int = 0) -> socket.socket:
    """Return a connection; one that receives few bytes at a time leaves the rest to the server to hold."""
    client = socket.socket()
    client.settimeout(TIMEOUT_S)
    if receives:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receives)
    client.connect(("127.0.0.1", port))
    return client


def asked(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: a\r\n\r\n".encode()


def drained(client: socket.socket) -> bytes:
    """Return what comes until the server closes, or breaks, the connection."""
    got = b""
    try:
        while more := client.recv(65536):
            got += more
    except ConnectionError:
        pass
    return got


@contextmanager
def many(port: int, count: int) -> Iterator[list[socket.socket]]:
    """Hold connections that say nothing until the block ends."""
    with ExitStack() as stack:
        yield [stack.enter_context(connected(port)) for _ in range(count)]


class Flood(Threads):
    """Threads that ask one thing after another until the block ends; `seen` counts statuses, `lost` what got no answer."""

    def __init__(
        self, node: Node, paths: Callable[[], str], threads: int, headers: Mapping[str, str] | None = None
    ) -> None:
        self.seen: Counter[int] = Counter()
        self.lost = 0
        self._node, self._paths, self._headers = node, paths, headers
        self._lock = threading.Lock()
        super().__init__([self._run] * threads)

    def _run(self) -> None:
        while not self.stop.is_set():
            with self._lock:
                path = self._paths()
            try:
                status = self._node.ask(path, headers=self._headers).status
            except OSError:
                self.lost += 1
            else:
                with self._lock:
                    self.seen[status] += 1
                if status == 503:
                    self.stop.wait(0.02)  # else refusing them takes the processor from what is tested

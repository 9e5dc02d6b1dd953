"""Clients that connect and say nothing, or stop half-way, are let go."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from tests.e2e.conftest import OPEN
from tests.e2e.node import running

_BEGUN = {"nothing": b"", "half a header": b"GET /health HTTP/1.1\r\nHo", "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"}


def test_silent_connections_are_closed(tmp_path: Path) -> None:
    with running(tmp_path, OPEN.replace("[server]", "[server]\nread_timeout_s = 1")) as node:
        for what, begun in _BEGUN.items():
            with socket.create_connection(("127.0.0.1", node.port), timeout=30) as client:
                client.sendall(begun)
                try:
                    while client.recv(4096):
                        pass
                except ConnectionResetError:
                    pass
                except TimeoutError:
                    pytest.fail(f"a client that sent {what} is still connected after 30 s")
        assert node.ask("/health").status == 200

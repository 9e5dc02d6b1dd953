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


ASK = b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n"


def asking(port: int) -> socket.socket:
    client = socket.create_connection(("127.0.0.1", port), timeout=30)
    client.sendall(ASK)
    return client


def test_connections_are_bounded_and_idle_ones_make_room(tmp_path: Path) -> None:
    """A flood of connections waits in the kernel's queue; it takes neither memory nor descriptors of the node."""
    few = OPEN.replace("[limits]", "[limits]\nclients = 3").replace("[server]", "[server]\nread_timeout_s = 6")
    with running(tmp_path, few) as node:
        taken = [asking(node.port) for _ in range(3)]
        for client in taken:
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        waiting = asking(node.port)
        waiting.settimeout(0.5)
        with pytest.raises(TimeoutError):
            waiting.recv(4096)
        waiting.settimeout(30)
        assert waiting.recv(4096).startswith(b"HTTP/1.1 200"), "the idle ones are closed after read_timeout_s"
        assert any(client.recv(4096) == b"" for client in taken)
        for client in (waiting, *taken):
            client.close()


@pytest.mark.parametrize(("timeout_s", "stays"), [(0, False), (5, True)])
def test_keep_alive_can_be_off(tmp_path: Path, timeout_s: int, stays: bool) -> None:
    text = OPEN.replace("[server]", f"[server]\nkeep_alive_timeout_s = {timeout_s}")
    with running(tmp_path, text) as node, asking(node.port) as client:
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        if stays:
            client.sendall(ASK)
            assert client.recv(4096).startswith(b"HTTP/1.1 200")
        else:
            while client.recv(4096):
                pass

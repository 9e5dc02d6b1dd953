"""Ports that are taken, for good or until a predecessor has ended, and addresses that are not ours."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from tintype.core.errors import Misconfigured
from tintype.web.listening import ensure_free


def test_a_free_port_is_free_again_and_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for _ in range(2):
        ensure_free("127.0.0.1", port, "x", patience_s=0)
    ensure_free("127.0.0.1", 0, "x", patience_s=0)


def test_who_shares_a_port_has_taken_it() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(
                Misconfigured, match=f"^server.port: cannot listen at {host}:{port} .Address already in use"
            ):
                ensure_free(host, port, "server.port", patience_s=0)


def test_a_predecessor_that_drains_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        ending = threading.Timer(0.3, taken.close)
        ending.start()
        began = time.monotonic()
        ensure_free("127.0.0.1", port, "server.port", patience_s=60)
        assert time.monotonic() - began >= 0.25
        ending.join()


def test_an_address_of_another_machine_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured, match=r"cannot listen at 192\.0\.2\.1:80 .*; stop what does, or set another"):
        ensure_free("192.0.2.1", 80, "server.host, server.port", patience_s=60)

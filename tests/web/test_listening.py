"""Ports that are taken, for good or until a predecessor has ended, and addresses that are not ours."""

from __future__ import annotations

import socket

import pytest

from tintype.core.errors import Misconfigured
from tintype.web.listening import ensure_free


def silent(message: str) -> None:
    raise AssertionError(f"nothing is waited for: {message}")


def test_a_free_port_is_free_again_and_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    for _ in range(2):
        ensure_free("127.0.0.1", port, "x", silent, patience_s=0)
    ensure_free("127.0.0.1", 0, "x", silent, patience_s=0)


def test_who_shares_a_port_has_taken_it() -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]
        for host in ("127.0.0.1", "0.0.0.0"):
            with pytest.raises(
                Misconfigured, match=f"^server.port: cannot listen at {host}:{port} .Address already in use"
            ):
                ensure_free(host, port, "server.port", silent, patience_s=0)


def test_a_predecessor_that_drains_is_waited_for_and_that_is_told_first() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:
        port = taken.getsockname()[1]

        def end(message: str) -> None:
            said.append(message)
            taken.close()

        ensure_free("127.0.0.1", port, "server.port", end, patience_s=60)
    assert said == [f"127.0.0.1:{port} is taken: waiting up to 60 s for who listens there to end; else set server.port"]


def test_a_port_that_stays_taken_is_told_of_once() -> None:
    said: list[str] = []
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken, pytest.raises(Misconfigured):
        ensure_free("127.0.0.1", taken.getsockname()[1], "server.port", said.append, patience_s=0.35)
    assert len(said) == 1


def test_an_address_of_another_machine_is_refused_at_once() -> None:
    with pytest.raises(Misconfigured, match=r"cannot listen at 192\.0\.2\.1:80 .*; stop what does, or set another"):
        ensure_free("192.0.2.1", 80, "server.host, server.port", silent, patience_s=60)

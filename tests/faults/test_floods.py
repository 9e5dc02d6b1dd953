"""Floods of connections and of headers: each is bounded, and leaves the others what they had."""

from __future__ import annotations

import json
import socket
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import OPEN, PATIENT, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.faults.clients import asked, connected, drained, many
from tests.faults.test_load import until
from tintype.web.run import connections

pytestmark = pytest.mark.alone

HEALTH = asked("/health")
HEAD = HEALTH.removesuffix(b"\r\n")
KEPT_BYTES = 48 * 1024  # of a head that is under way: the bound, and what the server's buffer has grown by beyond it


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("node"), OPEN) as one:
        yield one


def front(node: Node) -> psutil.Process:
    [pid] = node.children()
    return psutil.Process(pid)


TOO_MUCH = {
    "one long field": HEAD + b"X: " + b"a" * 200_000,
    "many fields": HEAD + b"".join(b"X-%d: a\r\n" % number for number in range(1000)) + b"\r\n",
    "a long path": b"GET /" + b"a" * 200_000,
    "a long path with its end": b"GET /" + b"a" * 40_000 + b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("what", TOO_MUCH)
def test_heads_that_are_too_large_are_refused(node: Node, what: str) -> None:
    with connected(node.port) as client:
        try:
            client.sendall(TOO_MUCH[what])
        except ConnectionError:
            return  # closed while it wrote
        got = drained(client)
        assert not got or got.split(b" ", 2)[1] in (b"404", b"414", b"431"), got
    assert node.ask("/health").status == 200


def test_what_a_browser_sends_is_none_of_them(node: Node) -> None:
    with connected(node.port) as client:
        client.sendall(HEAD + b"Cookie: " + b"a" * 16_000 + b"\r\nConnection: close\r\n\r\n")
        assert drained(client).startswith(b"HTTP/1.1 200")


def test_heads_under_way_take_bounded_memory(node: Node) -> None:
    """200 clients want to send 1 MB of head each; none is finished, and the node keeps a little of each."""
    before = front(node).memory_info().rss
    with many(node.port, 200) as clients:
        for client in clients:
            sent_until_it_ends(client, HEAD + b"X: ", b"a" * 65536, 16)
        assert node.ask("/health").status == 200
        assert front(node).memory_info().rss - before < 200 * KEPT_BYTES + 20_000_000


def sent_until_it_ends(client: socket.socket, begun: bytes, piece: bytes, times: int) -> None:
    try:
        client.sendall(begun)
        for _ in range(times):
            client.sendall(piece)
    except ConnectionError:
        pass


def answered(client: socket.socket) -> bool:
    client.sendall(HEALTH)
    return client.recv(4096).startswith(b"HTTP/1.1 200")


FEW_DESCRIPTORS = ("sh", "-c", 'ulimit -n 400 && exec "$@"', "sh")


def test_connections_beyond_the_bound_wait_and_stop_nobody(tmp_path: Path) -> None:
    """Who is connected goes on being answered; who comes later is, as soon as the silent ones are let go.

    The bound is what the system's descriptors allow: a server without any would try to accept again and again, and serve nobody.
    """
    brief = OPEN.replace("[server]", "[server]\nread_timeout_s = 6")
    with running(tmp_path, brief, under=FEW_DESCRIPTORS) as node, connected(node.port) as old, many(node.port, 190):
        assert '"event":"connections_bounded","clients":100,"descriptors":400' in node.log
        for _ in range(50):
            assert answered(old)
        assert front(node).num_fds() < 180  # 100 of them are connections
        newcomers = [connected(node.port) for _ in range(10)]
        assert all(answered(newcomer) for newcomer in newcomers)
        for newcomer in newcomers:
            newcomer.close()


@pytest.mark.parametrize(
    ("clients", "descriptors", "most"),
    [(8192, 20_000, 8192), (8192, 4096, 1024), (8192, 400, 100), (10, 4096, 10), (8192, 1, 1), (8192, -1, 8192)],
)
def test_each_connection_has_its_descriptors(clients: int, descriptors: int, most: int) -> None:
    assert connections(clients, descriptors) == most


BURST = OPEN.replace(PATIENT, "[admission]\ncrowd_s = 0.1\nburst_s = 0.1")


def test_a_burst_over_a_source_that_is_there_is_refused_before_the_event_loop(tmp_path: Path, origin: Origin) -> None:
    """What the event loop refuses has a line of its own each; of what is refused before it, most are told as a number."""
    origin.pages["/there.jpg"] = Page(picture(1600, 1200), headers={"Cache-Control": "max-age=600"})
    paths = [f"/unsafe/w:{width}/plain/{origin.url}/there.jpg" for width in range(100, 300)]
    with running(tmp_path, BURST) as node, many(node.port, len(paths)) as clients:
        assert node.ask(f"/unsafe/w:99/plain/{origin.url}/there.jpg").status == 200
        for client, path in zip(clients, paths, strict=True):
            client.sendall(asked(path))
        seen = Counter(client.recv(65536).split(b" ", 2)[1] for client in clients)
        assert set(seen) == {b"200", b"503"}
        until(lambda: refused_in_numbers(node) > seen[b"503"] / 2, "most are refused by the event loop")


def refused_in_numbers(node: Node) -> int:
    lines = [json.loads(line) for line in node.log.splitlines()]
    return sum(line["requests"] for line in lines if line["event"] == "requests_refused")

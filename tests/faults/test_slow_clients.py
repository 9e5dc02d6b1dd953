"""Clients that read slowly get all of it, and those that write slowly are let go; nobody else notices either."""

from __future__ import annotations

import hashlib
import http.client
import random
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.faults.clients import asked, connected, drained, many

pytestmark = pytest.mark.alone

FRESH = {"Cache-Control": "max-age=600"}
READERS, MANY = 12, 150
BODY_BYTES = 5_000_000


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    patient = OPEN.replace("[server]", "[server]\nread_timeout_s = 3\nwrite_timeout_s = 60")
    with running(tmp_path_factory.mktemp("node"), patient) as one:
        yield one


@pytest.fixture(scope="module")
def large(origin: Origin) -> bytes:
    """An original of 5 MB, which the kernel's buffers do not hold."""
    body = b"<svg>" + random.Random(1).randbytes(BODY_BYTES)
    origin.pages["/large.svg"] = Page(body, headers={**FRESH, "Content-Type": "image/svg+xml"})
    origin.pages["/photo.jpg"] = Page(picture(), headers=FRESH)
    return body


def ordinary(node: Node, origin: Origin, first: int, count: int) -> None:
    """Ask for results that nobody asked for before, and for each again; all must be answered."""
    for width in range(first, first + count):
        path = f"/unsafe/w:{width}/plain/{origin.url}/photo.jpg"
        made, again = node.ask(path), node.ask(path)
        assert (made.status, again.status) == (200, 200)
        assert made.body == again.body


def test_slow_readers_get_whole_bodies_while_others_are_answered(node: Node, origin: Origin, large: bytes) -> None:
    path = f"/unsafe/raw:1/plain/{origin.url}/large.svg"
    assert node.ask(path).body == large
    readers = [connected(node.port, receives=4096) for _ in range(READERS)]
    for reader in readers:
        reader.sendall(asked(path))
    heads = [reader.recv(1024) for reader in readers]
    for turn in range(3):
        ordinary(node, origin, 20 + 10 * turn, 10)
        heads = [got + reader.recv(1024) for got, reader in zip(heads, readers, strict=True)]
    for got, reader in zip(heads, readers, strict=True):
        head, _, begun = got.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        assert sha256(begun + drained_to(reader, len(large) - len(begun))) == sha256(large)
        reader.close()


def test_many_slow_readers_take_little_memory_each(node: Node, origin: Origin, large: bytes) -> None:
    """The server keeps a dozen pieces of each body: of a quarter of a megabyte they would be 2.8 MB of each of these."""
    path = f"/unsafe/raw:1/plain/{origin.url}/large.svg"
    assert node.ask(path).body == large
    [pid] = node.children()
    before = psutil.Process(pid).memory_info().rss
    with ExitStack() as stack:
        for _ in range(MANY):
            reader = stack.enter_context(connected(node.port, receives=4096))
            reader.sendall(asked(path))
            assert reader.recv(1024).startswith(b"HTTP/1.1 200")
        ordinary(node, origin, 200, 10)
        assert psutil.Process(pid).memory_info().rss - before < MANY * 1_400_000


def test_a_reader_that_takes_too_long_sees_a_short_body(tmp_path: Path, origin: Origin, large: bytes) -> None:
    """Of a body that was cut off nobody can think that it is whole: it has fewer bytes than its head says."""
    with running(tmp_path, OPEN.replace("[server]", "[server]\nwrite_timeout_s = 3")) as impatient:
        path = f"/unsafe/raw:1/plain/{origin.url}/large.svg"
        assert impatient.ask(path).body == large
        with connected(impatient.port, receives=4096) as reader:
            reader.sendall(asked(path))
            until_logged(impatient, '"outcome":"slow_client"')
            head, _, body = drained(reader).partition(b"\r\n\r\n")
        assert f"content-length: {len(large)}".encode() in head.lower()
        assert 0 < len(body) < len(large)


def test_a_reader_that_goes_on_reading_may_take_longer_than_the_time_for_a_piece(
    tmp_path: Path, origin: Origin
) -> None:
    body = b"<svg>" + random.Random(2).randbytes(5 * BODY_BYTES)
    origin.pages["/larger.svg"] = Page(body, headers={**FRESH, "Content-Type": "image/svg+xml"})
    with running(tmp_path, OPEN.replace("[server]", "[server]\nwrite_timeout_s = 3")) as node:
        path = f"/unsafe/raw:1/plain/{origin.url}/larger.svg"
        assert node.ask(path).body == body
        began = time.monotonic()
        with connected(node.port, receives=65_536) as reader:
            reader.sendall(asked(path))
            got = bytearray()
            while more := drained_to(reader, min(1 << 18, len(body) + got.find(b"\r\n\r\n") + 4 - len(got))):
                got += more
                time.sleep(0.08)
        assert sha256(bytes(got.partition(b"\r\n\r\n")[2])) == sha256(body)
        assert time.monotonic() - began > 6, "it was no slow reader"


@pytest.mark.parametrize("what", [b"GET /health HTTP/1.1\r\nX: ", b"GET /"], ids=["header", "path"])
def test_who_writes_a_byte_now_and_then_is_let_go(node: Node, origin: Origin, large: bytes, what: bytes) -> None:
    """A byte at a time does not begin the time anew: all of the head has to be there after read_timeout_s."""
    with many(node.port, 20) as drips:
        for drip in drips:
            drip.sendall(what)
        ends = time.monotonic() + 60
        while drips and time.monotonic() < ends:
            drips = [drip for drip in drips if dripped(drip)]
            ordinary(node, origin, 100, 1)
            time.sleep(0.1)
        assert not drips, f"{len(drips)} still connected"


def dripped(client: socket.socket) -> bool:
    """Send one more byte; returns whether the server still listens."""
    client.setblocking(False)
    try:
        client.send(b"a")
        return client.recv(4096) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False


def test_a_body_that_nobody_reads_keeps_no_connection(node: Node, origin: Origin, large: bytes) -> None:
    """Images take no body: the answer does not wait for it, and the connection is not used for another request."""
    path = f"/unsafe/w:60/plain/{origin.url}/photo.jpg"
    announced = f"POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n".encode()
    with connected(node.port) as client:
        client.sendall(announced)
        answer = http.client.HTTPResponse(client)
        answer.begin()
        assert (answer.status, answer.getheader("allow")) == (405, "GET, HEAD, OPTIONS")
        answer.read()
        assert drained(client) == b""


def drained_to(client: socket.socket, count: int) -> bytes:
    got = bytearray()
    while len(got) < count and (more := client.recv(min(65536, count - len(got)))):
        got += more
    return bytes(got)


def sha256(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def until_logged(node: Node, text: str) -> None:
    ends = time.monotonic() + 90
    while text not in node.log:
        assert time.monotonic() < ends, f"{text} is not in the log"
        time.sleep(0.05)

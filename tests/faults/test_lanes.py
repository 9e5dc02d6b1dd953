"""One URL that is prefetched and looked at: whoever asks first, who looks at it has the turn of those who look."""

from __future__ import annotations

import http.server
import json
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import psutil
import pytest

from tests.e2e.conftest import PATIENT, picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page
from tests.faults.test_load import FRESH, PREFETCH

pytestmark = pytest.mark.alone

# A host is asked one thing at once, and three may wait for it.
SETTINGS = (
    PATIENT
    + """
[sources]
allow_loopback = true
[engine]
workers = 1
[limits]
fetches_per_host = 1
fetch_queue = 3
fetch_timeout_s = 30
request_timeout_s = 60
[tenants.default]
trusted_signatures = ["unsafe"]
"""
)
LOOKED_AT: Mapping[str, str] = {}


class Slow(Origin):
    """Answers what is asked of it once it is let. `came`: somebody has asked."""

    def __init__(self) -> None:
        super().__init__()
        self.go, self.came = threading.Event(), threading.Event()

    def answer(self, request: http.server.BaseHTTPRequestHandler) -> None:
        self.came.set()
        self.go.wait(25)
        super().answer(request)


@pytest.fixture
def slow() -> Iterator[Slow]:
    origin = Slow()
    yield origin
    origin.go.set()
    origin.server.shutdown()
    origin.server.server_close()


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("node"), SETTINGS, metrics=True) as one:
        yield one


class Asking:
    """Asks for images of one origin, each in a thread of its own."""

    def __init__(self, node: Node, origin: Origin) -> None:
        self._node, self._origin = node, origin
        self._threads = ThreadPoolExecutor(8)

    def __call__(self, name: str, headers: Mapping[str, str], width: int = 30) -> Future[Answer]:
        page = Page(picture(60, 40, seed=len(self._origin.pages)), headers=FRESH)
        self._origin.pages.setdefault(f"/{name}", page)
        path = f"/unsafe/w:{width}/plain/{self._origin.url}/{name}"
        asked = self._threads.submit(self._node.ask, path, headers=headers)
        time.sleep(0.15)  # so that they come in order; what must hold, holds in any
        return asked

    def order(self) -> list[str]:
        return [path for path, _ in self._origin.asked]


@pytest.mark.parametrize(("first", "then"), [(PREFETCH, LOOKED_AT), (LOOKED_AT, PREFETCH)])
def test_what_is_looked_at_waits_as_such_whoever_asked_for_it_first(
    node: Node, slow: Slow, first: Mapping[str, str], then: Mapping[str, str]
) -> None:
    """The line before the host is full: had a prefetch's place, it would be the first to go, and the last to be fetched."""
    ask = Asking(node, slow)
    busy = ask("busy", LOOKED_AT)
    until(slow.came.is_set, "the host is not asked")
    early, late = ask("early", PREFETCH), ask("late", PREFETCH)
    both = ask("both", first), ask("both", then)
    other = ask("other", LOOKED_AT)
    until(lambda: early.done() or late.done(), "no prefetch had to leave the line")
    time.sleep(0.5)  # who asks for what is in line has come too
    slow.go.set()
    assert [one.result().status for one in (busy, *both, other)] == [200] * 4
    # Of the prefetches one loses its place in line, and the other, after so long a wait, maybe its turn for a worker.
    assert {one.result().status for one in (early, late)} <= {200, 503}
    assert next(path for path in ask.order() if path in ("/both", "/early", "/late")) == "/both"
    assert slow.count("/both") == 1


def test_what_is_looked_at_waits_for_a_worker_as_such_whoever_asked_for_it_first(node: Node, slow: Slow) -> None:
    slow.go.set()
    ask = Asking(node, slow)
    early = [f"early{at}" for at in range(3)]
    assert {ask(name, LOOKED_AT).result().status for name in ("held", *early, "both")} == {200}  # the sources are known
    signal_workers(node, signal.SIGSTOP)
    try:
        held = ask("held", LOOKED_AT, width=20)
        until(lambda: node.metric("tintype_engine_busy") == 1, "nothing is begun")
        waiting = [ask(name, PREFETCH, width=20) for name in (*early, "both")]
        until(lambda: node.metric("tintype_engine_queue") == 4, "not all wait for a worker")
        looked = ask("both", LOOKED_AT, width=20)
        time.sleep(0.5)  # it joins what waits, and nothing tells
    finally:
        signal_workers(node, signal.SIGCONT)
    assert {one.result().status for one in (held, *waiting, looked)} == {200}
    until(lambda: len(answered(node)) == 6, "the log lacks an answer")
    assert answered(node).index("both") <= 2  # prefetches have a share, and one may have its turn before


def signal_workers(node: Node, number: signal.Signals) -> None:
    for front in node.children():
        for worker in psutil.Process(front).children(recursive=True):
            worker.send_signal(number)


def answered(node: Node) -> list[str]:
    """Return which sources were answered with, in order, as the log has them, of the results with this width."""
    paths = [json.loads(line).get("path", "") for line in node.log.splitlines() if line.startswith("{")]
    return [path.rpartition("/")[2] for path in paths if "/w:20/" in path]


def until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.02)

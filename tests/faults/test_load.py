"""Load that must not be felt: prefetches beside what somebody looks at, and a purge of everything that is being asked for."""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.faults.clients import Flood

FRESH = {"Cache-Control": "max-age=600"}
PREFETCH = {"Sec-Purpose": "prefetch"}
IMPATIENT = """
[admission]
crowd_s = 0.1
burst_s = 0.1
"""
SOURCES, WIDTHS = 6, (50, 70, 90)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    # Impatient, so that a few threads are too many.
    with running(tmp_path_factory.mktemp("node"), OPEN + IMPATIENT, metrics=True) as one:
        yield one


def test_a_flood_of_prefetches_fails_nobody_who_looks(node: Node, origin: Origin) -> None:
    origin.pages["/large.jpg"] = Page(picture(1600, 1200), headers=FRESH)
    numbers = itertools.count()

    def unknown() -> str:
        """Return a result that nobody asked for, of a source that nobody asked for."""
        number = next(numbers)
        origin.pages[f"/{number}.jpg"] = origin.pages["/large.jpg"]
        return f"/unsafe/w:400/plain/{origin.url}/{number}.jpg"

    with Flood(node, unknown, 24, PREFETCH) as prefetches:
        until(lambda: prefetches.seen[503] > 50, "prefetches are never too many")
        looked = Counter(node.ask(unknown()).status for _ in range(25))
    assert looked == {200: 25}
    assert set(prefetches.seen) == {200, 503}
    assert prefetches.lost == 0


def test_a_purge_of_everything_under_load_has_each_result_made_once(node: Node, origin: Origin) -> None:
    for seed in range(SOURCES):
        origin.pages[f"/purged-{seed}.jpg"] = Page(picture(300, 200, seed), headers=FRESH)
    paths = [f"/unsafe/w:{width}/plain/{origin.url}/purged-{seed}.jpg" for width in WIDTHS for seed in range(SOURCES)]
    bodies = {path: node.ask(path).body for path in paths}
    turns = itertools.cycle(paths)
    before, asked = made(node), len(origin.asked)
    with Flood(node, lambda: next(turns), 6) as readers:
        until(lambda: readers.seen[200] > 3 * len(paths), "nobody is answered")
        assert made(node) == before
        purge_everything(node)
        purged = readers.seen[200]
        until(lambda: readers.seen[200] > purged + 3 * len(paths), "nobody is answered")
    assert (set(readers.seen), readers.lost) == ({200}, 0)
    assert made(node) == before + len(paths)
    assert len(origin.asked) == asked + SOURCES
    assert {path: node.ask(path).body for path in paths} == bodies


def made(node: Node) -> float:
    return node.metric("tintype_requests_total", outcome="miss")


def purge_everything(node: Node) -> None:
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    assert node.ask("/v1/purge", "POST", headers, b'{"all": true}').status == 200


def until(holds: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < ends, otherwise
        time.sleep(0.05)

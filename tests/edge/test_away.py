"""Nodes that go away behind the edge, one after another: drained, killed, and then all of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.e2e.conftest import picture
from tests.e2e.origin import Origin, Page
from tests.edge.edge import EXPIRED_S, Edge, cluster, drain, kill, until
from tests.threads import Threads

pytestmark = [pytest.mark.slow, pytest.mark.alone]

# So many that none of three nodes has none, whatever ports they have.
NAMES = [f"{number}.jpg" for number in range(80)]


@pytest.fixture
def fragile(tmp_path: Path) -> Iterator[Edge]:
    with cluster(tmp_path) as one:
        yield one


@pytest.fixture
def sources(origin: Origin) -> list[str]:
    for seed, name in enumerate(NAMES):
        origin.pages[f"/{name}"] = Page(picture(200, 150, seed), headers={"Cache-Control": "max-age=600"})
    return [f"{origin.url}/{name}" for name in NAMES]


class Clients(Threads):
    """Four clients that ask for new variants until they are stopped; `seen` has every status."""

    def __init__(self, edge: Edge, sources: list[str]) -> None:
        self.seen: list[int] = []
        super().__init__([partial(self._run, edge, sources, one) for one in range(4)])

    def _run(self, edge: Edge, sources: list[str], one: int) -> None:
        for turn in range(100_000):
            if self.stop.is_set():
                return
            source = sources[(turn * 4 + one) % len(sources)]
            self.seen.append(edge.ask(f"/unsafe/w:{40 + turn % 100}/q:{50 + one}/plain/{source}").status)

    def wait_for(self, many: int) -> None:
        until(lambda: len(self.seen) >= many, "clients get no answers")


def homes(edge: Edge, sources: list[str], tag: str) -> dict[str, int]:
    """Ask for a variant of each source; returns which node answered, by what it logged."""
    for source in sources:
        assert edge.ask(f"/unsafe/w:90/cb:{tag}/plain/{source}").status == 200
    asked = [f"/cb:{tag}/plain/{source}" for source in sources]
    until(lambda: all(any(path in node.log for node in edge.nodes) for path in asked), "not every request is in a log")
    found = {}
    for source, path in zip(sources, asked, strict=True):
        [found[source]] = [number for number, node in enumerate(edge.nodes) if f'{path}"' in node.log]
    return found


def test_nodes_go_one_after_another(fragile: Edge, sources: list[str]) -> None:
    one, two, three = fragile.nodes
    before = homes(fragile, sources, "all")
    assert set(before.values()) == {0, 1, 2}
    _unnoticed(fragile, sources, lambda: drain(one))
    left = homes(fragile, sources, "two")
    assert all(left[source] == home for source, home in before.items() if home != 0)
    moved = {left[source] for source, home in before.items() if home == 0}
    assert moved <= {1, 2}  # of a few sources, both have some by chance only
    _unnoticed(fragile, sources, lambda: kill(two))
    assert set(homes(fragile, sources, "one").values()) == {2}
    kept = f"/brief/unsafe/w:80/plain/{sources[0]}"
    first = fragile.ask(kept)
    assert first.status == 200
    kill(three)
    _all_are_away(fragile, kept, first.body)


def _unnoticed(edge: Edge, sources: list[str], event: Callable[[], None]) -> None:
    """Have clients ask before, while and after something happens; all get what they ask for."""
    with Clients(edge, sources) as clients:
        clients.wait_for(20)
        event()
        clients.wait_for(len(clients.seen) + 60)
    assert set(clients.seen) == {200}


def _all_are_away(edge: Edge, kept: str, body: bytes) -> None:
    time.sleep(EXPIRED_S)
    for _ in range(3):
        answer = edge.ask(kept)
        assert (answer.status, answer.headers["x-edge"], answer.body) == (200, "STALE", body)
    unknown = edge.ask(kept.replace("w:80", "w:81"))
    assert (unknown.status, unknown.headers["retry-after"]) == (503, "1")
    assert edge.ask("/health").status in (502, 504)

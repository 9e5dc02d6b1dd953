"""Load that must not be felt: prefetches beside what somebody looks at, giants beside thumbnails, a purge of all there is."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import OPEN, PATIENT, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.faults.clients import Flood

pytestmark = pytest.mark.alone

FRESH = {"Cache-Control": "max-age=600"}
PREFETCH = {"Sec-Purpose": "prefetch"}
# A few threads are too many.
IMPATIENT = OPEN.replace(PATIENT, "[admission]\ncrowd_s = 0.1")
# A giant is heavy however fast the machine is, a thumbnail light however slow it is: they take some 150 and 5 ms.
GIANTS = """
[sources]
allow_loopback = true
[engine]
workers = 2
heavy_ms = 60
[tenants.default]
trusted_signatures = ["unsafe"]
"""
SOURCES, WIDTHS = 6, (50, 70, 90)


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("node"), IMPATIENT, metrics=True) as one:
        yield one


def test_a_flood_of_prefetches_fails_nobody_who_looks(node: Node, origin: Origin) -> None:
    body = picture(1600, 1200)
    numbers = itertools.count()

    def unknown() -> str:
        """Return a result that nobody asked for, of a source that nobody asked for."""
        number = next(numbers)
        origin.pages[f"/{number}.jpg"] = Page(body + b"%d" % number, headers=FRESH)
        return f"/unsafe/w:400/plain/{origin.url}/{number}.jpg"

    with Flood(node, unknown, 24, PREFETCH) as prefetches:
        until(lambda: prefetches.seen[503] > 50, "prefetches are never too many")
        looked = [node.ask(unknown()) for _ in range(25)]
    refused = [(answer.status, answer.headers["x-tintype-error"]) for answer in looked if answer.status != 200]
    assert not refused
    assert set(prefetches.seen) == {200, 503}
    assert prefetches.lost == 0


def test_thumbnails_beside_too_many_giants_are_all_answered(tmp_path: Path, origin: Origin) -> None:
    giant, small, numbers = picture(5000, 4000, suffix=".jpg[interlace]"), picture(600, 400), itertools.count()

    def new(body: bytes, name: str, width: int) -> str:
        path = f"/mixed/{next(numbers)}/{name}"
        origin.pages[path] = Page(body + path.encode(), headers=FRESH)
        return f"/unsafe/w:{width}/plain/{origin.url}{path}"

    with running(tmp_path, GIANTS) as node:
        for _ in range(5):
            assert node.ask(new(small, "small.jpg", 100)).status == 200
        with Flood(node, lambda: new(giant, "giant.jpeg", 1280), 12) as giants:
            until(lambda: giants.seen[503] > 20 and giants.seen[200] > 1, "giants are never too many")
            thumbnails = [node.ask(new(small, "small.jpg", 100)) for _ in range(20)]
    refused = [answer.headers["x-tintype-error"] for answer in thumbnails if answer.status != 200]
    assert not refused
    assert set(giants.seen) == {200, 503}


def test_a_purge_of_everything_under_load_has_each_result_made_once(node: Node, origin: Origin) -> None:
    """Once from when the purge is done: what is made while the tiers are being emptied may go with the rest."""
    for seed in range(SOURCES):
        origin.pages[f"/purged-{seed}.jpg"] = Page(picture(300, 200, seed), headers=FRESH)
    paths = [f"/unsafe/w:{width}/plain/{origin.url}/purged-{seed}.jpg" for width in WIDTHS for seed in range(SOURCES)]
    bodies = {path: node.ask(path).body for path in paths}
    until(lambda: set(made(node, 0.0)) == set(paths), "not every request is in the log")
    turns = itertools.cycle(paths)
    with Flood(node, lambda: next(turns), 6) as readers:
        until(lambda: readers.seen[200] > 3 * len(paths), "nobody is answered")
        began = time.time()
        purge_everything(node)
        purged = readers.seen[200]
        until(lambda: readers.seen[200] > purged + 3 * len(paths), "nobody is answered")
    assert (set(readers.seen), readers.lost) == ({200}, 0)
    assert {path: node.ask(path).body for path in paths} == bodies
    until(lambda: set(made(node, began)) == set(paths), "not everything is made anew")
    until(lambda: node.log.count('"outcome":"hit"') >= 4 * len(paths), "not every request is in the log")
    done = max(seconds(line) for line in lines_of(node) if line["event"] == "purged")
    again = made(node, done)
    assert len(again) == len(set(again))


def made(node: Node, after: float) -> list[str]:
    """Return the paths of results whose making began after a time (seconds since 1970), as the log has it."""
    misses = [line for line in lines_of(node) if line["event"] == "request" and line["outcome"] == "miss"]
    return [line["path"] for line in misses if "purged-" in line["path"] and seconds(line) - line["ms"] / 1000 > after]


def lines_of(node: Node) -> list[dict[str, Any]]:
    return [json.loads(line) for line in node.log.splitlines()]


def seconds(line: dict[str, Any]) -> float:
    return datetime.fromisoformat(line["time"]).timestamp()


def purge_everything(node: Node) -> None:
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    assert node.ask("/v1/purge", "POST", headers, b'{"all": true}').status == 200


def until(holds: Callable[[], bool], otherwise: str) -> None:
    ends = time.monotonic() + 90
    while not holds():
        assert time.monotonic() < ends, otherwise
        time.sleep(0.05)

"""A node that is asked for more than it can do gives less before it gives nothing, says so, and gives all of it afterwards."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.e2e.conftest import picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page

pytestmark = pytest.mark.alone

TOML = """
[sources]
allow_loopback = true
[limits]
fetch_timeout_s = 20
request_timeout_s = 60
[engine]
workers = 1
[admission]
crowd_s = 0.2
burst_s = 0.05
[tenants.default]
trusted_signatures = ["unsafe"]
degrade = ["stale", "format", "effort", "larger"]
"""
SOON_OLD = {"Cache-Control": "max-age=1, stale-while-revalidate=0"}
CHANGING = [f"changes{n}.jpg" for n in range(40)]
ASKING = 40  # at a time, several times what one worker can do within the time that is allowed


def asked(origin: Origin, name: str, options: str = "w:90") -> str:
    return f"/unsafe/{options}/plain/{origin.url}/{name}"


def step(answer: Answer) -> str:
    return answer.headers.get("x-tintype-degraded", "")


@contextmanager
def flooded(node: Node, origin: Origin) -> Iterator[Counter[tuple[int, str]]]:
    """Ask for ever new results of one large photo; yields how they are answered."""
    over, numbers, seen = threading.Event(), count(), Counter[tuple[int, str]]()

    def ask() -> None:
        while not over.is_set():
            answer = node.ask(asked(origin, "large.jpg", f"w:{500 + next(numbers)}"))
            seen[answer.status, step(answer)] += 1
            time.sleep(0.1 if answer.status == 503 else 0)

    threads = [threading.Thread(target=ask) for _ in range(ASKING)]
    for thread in threads:
        thread.start()
    try:
        yield seen
    finally:
        over.set()
        for thread in threads:
            thread.join()


def once_whole(node: Node, origin: Origin, name: str) -> Answer:
    """The first answer that is no degraded one: what the flood left is still worked off when its last client has gone."""
    deadline = time.monotonic() + 90
    while step(answer := node.ask(asked(origin, name))):
        assert time.monotonic() < deadline, answer
        time.sleep(0.1)
    return answer


def test_less_before_nothing_and_all_of_it_afterwards(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/large.jpg"] = Page(picture(1200, 900), headers={"Cache-Control": "max-age=600"})
    origin.pages |= {f"/{name}": Page(picture(seed=1), headers=SOON_OLD) for name in CHANGING}
    with running(tmp_path, TOML, metrics=True) as node:
        before = {name: node.ask(asked(origin, name)) for name in CHANGING}
        assert {answer.status for answer in before.values()} == {200}
        assert node.ask(asked(origin, "large.jpg", "w:300")).status == 200
        origin.pages |= {f"/{name}": Page(picture(seed=2 + n), headers=SOON_OLD) for n, name in enumerate(CHANGING)}
        time.sleep(1.1)
        with flooded(node, origin) as seen:
            deadline = time.monotonic() + 90
            while not (seen[200, "effort"] and seen[503, ""]):
                assert time.monotonic() < deadline, seen
                time.sleep(0.1)
            during: dict[str, Answer] = {}
            while not any(step(answer) == "stale" for answer in during.values()):  # some are let in
                name = CHANGING[len(during)]
                during[name] = node.ask(asked(origin, name))
            smaller: list[Answer] = []
            while not any(step(answer) == "larger" for answer in smaller):  # as above
                smaller.append(node.ask(asked(origin, "large.jpg", f"w:{200 + len(smaller)}")))
                assert time.monotonic() < deadline + 90, smaller
        assert {status for status, _ in seen} == {200, 503}
        older = {name for name, answer in during.items() if step(answer) == "stale"}
        assert {answer.status for answer in during.values()} == {200}
        for name in older:
            assert (during[name].body, during[name].headers["etag"]) == (
                before[name].body,
                before[name].headers["etag"],
            )
            assert during[name].headers["cache-control"] == "max-age=10, public"
        assert {answer.status for answer in smaller} == {200}
        everything = seen + Counter((a.status, step(a)) for a in (*during.values(), *smaller))
        for name in ("stale", "effort", "larger"):
            assert node.metric("tintype_degraded_total", step=name, tenant="default") == everything[200, name]
        for name in older:  # nothing of it was remembered
            after = once_whole(node, origin, name)
            assert (after.status, after.body != before[name].body) == (200, True)
            assert after.headers["cache-control"] == "max-age=31536000, public"

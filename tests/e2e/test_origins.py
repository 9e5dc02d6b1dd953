"""Storms for sources that are missing or stale, and hosts that hang, fail and come back, as clients of a node see them."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import aiohttp
import pytest

from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page, origin_server
from tests.e2e.site import solid

pytestmark = pytest.mark.alone

SETTINGS = """
[sources]
allow_loopback = true
[engine]
workers = 1
[limits]
fetch_timeout_s = 20.0
request_timeout_s = 60.0
[cache]
error_s = 0.0
missing_s = 60.0
[tenants.default]
trusted_signatures = ["unsafe"]
"""
LATE = "s late with everything"
IMAGE = solid((0, 0, 255))
FRESH, CHECKED = {"Cache-Control": "max-age=600"}, {"Cache-Control": "no-cache", "ETag": '"1"'}


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    folder: Path = tmp_path_factory.mktemp("origins")
    with running(folder, SETTINGS, metrics=True) as node:
        yield node


@pytest.fixture
def origin() -> Iterator[Origin]:
    with origin_server() as origin:
        yield origin


@pytest.fixture
def other() -> Iterator[Origin]:
    with origin_server() as origin:
        yield origin


def path(origin: Origin, name: str) -> str:
    return f"/unsafe/rs:fit:10:10/plain/{origin.url}/{name}"


def storm(node: Node, asked: str, count: int) -> Counter[int]:
    """Ask for one URL so many times at once; returns the statuses.

    A node on a slow machine may be late with so many, and says so: who is told that asks again.
    """

    async def one(session: aiohttp.ClientSession) -> int:
        for _ in range(100):
            async with session.get(f"http://127.0.0.1:{node.port}{asked}") as answer:
                await answer.read()
            if LATE not in answer.headers.get("x-tintype-error", ""):
                break
            await asyncio.sleep(0.1)
        return answer.status

    async def all_of_them() -> Counter[int]:
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=200)) as session:
            return Counter(await asyncio.gather(*(one(session) for _ in range(count))))

    return asyncio.run(all_of_them())


def together(node: Node, paths: Sequence[str]) -> list[Answer]:
    with ThreadPoolExecutor(len(paths)) as threads:
        return list(threads.map(node.ask, paths))


@pytest.mark.parametrize(
    ("page", "status"),
    [(Page(b"no", 404), 404), (Page(b"no", 403), 403), (Page(b"<html><body>no image</body></html>", 200), 422)],
    ids=["missing", "forbidden", "no image"],
)
def test_a_storm_for_what_cannot_be_had_is_one_fetch(node: Node, origin: Origin, page: Page, status: int) -> None:
    origin.pages["/x.png"] = page
    page.delay_s = 0.1
    assert storm(node, path(origin, "x.png"), 1000) == {status: 1000}
    assert origin.count("/x.png") == 1


def test_all_who_ask_for_a_stale_source_at_once_have_it_confirmed_once(node: Node, origin: Origin) -> None:
    origin.pages["/x.png"] = Page(IMAGE, headers=CHECKED)
    assert node.ask(path(origin, "x.png")).status == 200
    before = origin.count("/x.png")
    origin.pages["/x.png"].delay_s = 5.0  # all 100 are there by then, on a busy machine too
    assert storm(node, path(origin, "x.png"), 100) == {200: 100}
    assert origin.count("/x.png") == before + 1
    assert origin.asked[-1][1]["if-none-match"] == '"1"'


def test_a_host_that_hangs_is_refused_at_once_touches_no_other_and_comes_back(
    tmp_path: Path, origin: Origin, other: Origin
) -> None:
    hasty = SETTINGS.replace("fetch_timeout_s = 20.0", "fetch_timeout_s = 3.0")
    with running(tmp_path, hasty, metrics=True) as node:
        hangs_and_comes_back(node, origin, other)


def hangs_and_comes_back(node: Node, origin: Origin, other: Origin) -> None:
    origin.pages["/known.png"] = Page(IMAGE, headers={"Cache-Control": "max-age=1, stale-while-revalidate=0"})
    assert node.ask(path(origin, "known.png")).status == 200
    for number in range(60):
        origin.pages[f"/{number}.png"] = Page(IMAGE, headers=FRESH, delay_s=6.0)
    origin.pages["/known.png"].delay_s = 6.0
    answers = together(node, [path(origin, f"{number}.png") for number in range(40)])
    assert {answer.status for answer in answers} <= {503, 504}
    assert node.metric("tintype_origins_open") == 1

    asked = len(origin.asked)
    late = node.ask(path(origin, "50.png"))
    if late.status == 503:  # or it was the attempt
        assert late.headers["x-tintype-error"].startswith("source_busy: The host of this source has failed")
        assert int(late.headers["retry-after"]) >= 1
    stale = node.ask(path(origin, "known.png"))
    assert (stale.status, stale.headers["cache-control"]) == (200, "max-age=10, public")
    assert len(origin.asked) <= asked + 1

    other.pages["/x.png"] = Page(IMAGE, headers=FRESH)
    assert node.ask(path(other, "x.png")).status == 200

    for page in origin.pages.values():
        page.delay_s = 0.0
    deadline = time.monotonic() + 60
    left = [path(origin, f"{number}.png") for number in range(20)]
    while left:  # how long it took when it hung is forgotten little by little: not all are let in at once
        refused = {url: answer for url, answer in zip(left, together(node, left), strict=True) if answer.status != 200}
        left = list(refused)
        assert time.monotonic() < deadline, [answer.headers for answer in refused.values()]
        time.sleep(0.1)
    assert node.metric("tintype_origins_open") == 0
    while not {"origin_opened", "origin_closed"} <= events(node):  # which is written a little later
        assert time.monotonic() < deadline, events(node)
        time.sleep(0.1)


def events(node: Node) -> set[str]:
    return {json.loads(line)["event"] for line in node.log.splitlines() if line.startswith("{")}

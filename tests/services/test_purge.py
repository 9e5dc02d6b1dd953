"""Purges through real parts: by any name of any URL that a result was served for, and nothing of it is left anywhere."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tintype.core.asked import Asked
from tintype.core.entry import Scope, Selector
from tintype.services.purge import Purge, Purged

FRESH = {"Cache-Control": "max-age=600"}


def picture(color: tuple[int, int, int] = (200, 30, 60)) -> Page:
    out = io.BytesIO()
    Pillow.new("RGB", (90, 60), color).save(out, "PNG")
    return Page(out.getvalue(), headers=FRESH)


def path(origin: Origin, name: str, options: str = "w:40") -> str:
    return f"/unsafe/{options}/plain/{origin.url}/{name}"


def purge_of(running: Running) -> Purge:
    node = running.node
    return Purge(node.sources, node.cache, node.memo.forget, node.telemetry)


def asked(running: Running, url: str) -> Asked:
    return running.node.site.mounts.mounts[0].dialect.parse(url, 0)


async def purge(running: Running, scope: Scope, value: str) -> Purged:
    return await purge_of(running)(Selector(scope=scope, value=value, tenant="default"))


def renders(running: Running) -> float:
    return running.metric("tintype_engine_jobs_total", kind="render", result="done")


async def key_of(running: Running, *paths: str) -> str:
    """Ask for all; return the one key they share."""
    etags = {(await running.ask(one)).headers["etag"] for one in paths}
    assert len(etags) == 1
    return etags.pop().strip('"')


@pytest.mark.parametrize(("tag", "restarted"), [("cats", True), ("dogs", False), ("dogs", True)])
async def test_of_two_urls_with_one_result_either_tag_purges_it(
    origin: Origin, start: Start, tag: str, restarted: bool
) -> None:
    origin.pages["/a.png"] = picture()
    running = await start()
    key = await key_of(running, path(origin, "a.png", "w:40/ct:cats"), path(origin, "a.png", "w:40/ct:dogs"))
    running = await start() if restarted else running
    assert (await purge(running, Scope.TAG, tag)).results == 1
    assert await running.node.cache.get(key) is None
    running = await start()
    assert await running.node.cache.get(key) is None


@pytest.mark.parametrize(
    ("by", "name", "restarted"),
    [("source", "a.png", False), ("source", "b.png", True), ("prefix", "b.png", False), ("url", "b.png", True)],
)
async def test_of_two_sources_with_equal_bytes_either_purges_the_result(
    origin: Origin, start: Start, name: str, by: str, restarted: bool
) -> None:
    origin.pages |= {"/a.png": picture(), "/b.png": picture()}
    running = await start()
    key = await key_of(running, path(origin, "a.png"), path(origin, "b.png"))
    running = await start() if restarted else running
    if by == "url":
        done = await purge_of(running).url("default", asked(running, path(origin, name)))
    else:
        done = await purge(running, Scope(by), f"{origin.url}/{name}"[: None if by == "source" else -4])
    assert (done.results, done.sources) == (1, 1)
    assert await running.node.cache.get(key) is None
    running = await start()
    assert await running.node.cache.get(key) is None


async def test_who_waited_for_anothers_render_has_its_names_kept_too(origin: Origin, start: Start) -> None:
    origin.pages |= {f"/{n}.png": picture() for n in range(6)}
    running = await start()
    answers = await asyncio.gather(*(running.ask(path(origin, f"{n}.png", f"w:40/ct:t{n}")) for n in range(6)))
    assert len({answer.headers["etag"] for answer in answers}) == 1
    key = answers[0].headers["etag"].strip('"')
    kept = await running.node.cache.get(key)
    assert kept is not None
    assert {f"t{n}" for n in range(6)} <= set(kept.facts.tags)
    # An entry that waits to be written by more names counts there and on the disk.
    assert (await purge(running, Scope.TAG, "t4")).results in (1, 2)
    assert await running.node.cache.get(key) is None


async def test_equal_urls_are_answered_by_the_memo_until_a_purge(origin: Origin, start: Start) -> None:
    origin.pages["/a.png"] = picture()
    running = await start()
    first, second = path(origin, "a.png", "w:40/ct:cats"), path(origin, "a.png", "w:40/ct:dogs")
    key = await key_of(running, first, second, first, second)
    before = await running.ask(first)
    assert before.headers["server-timing"] == "cache;desc=hit", "no source and no cache phase: the memo knew it"
    await purge(running, Scope.TAG, "dogs")
    assert await running.node.cache.get(key) is None
    again = await running.ask(first)
    assert "cache;desc=miss" in again.headers["server-timing"]
    assert again.headers["etag"] == before.headers["etag"]


async def test_a_purged_tag_is_rendered_again_although_another_url_has_the_result(
    origin: Origin, start: Start, tmp_path: Path
) -> None:
    origin.pages["/a.png"] = picture()
    running = await start()
    cats, dogs = path(origin, "a.png", "w:40/ct:cats"), path(origin, "a.png", "w:40/ct:dogs")
    await running.ask(cats)
    await purge(running, Scope.TAG, "dogs")
    assert "desc=miss" in (await running.ask(dogs)).headers["server-timing"]
    assert "desc=hit" in (await running.ask(cats)).headers["server-timing"]
    assert (await purge(running, Scope.TAG, "cats")).results == 1


async def test_a_fallback_goes_by_no_url_that_failed(origin: Origin, start: Start) -> None:
    origin.pages["/fallback.png"] = picture()
    running = await start(tenant=f'[tenants.default.fallback]\nurl = "{origin.url}/fallback.png"')
    for n in range(3):
        answer = await running.ask(path(origin, f"missing{n}.png", f"w:40/ct:t{n}"))
        assert answer.headers["content-type"].startswith("image/")
    key = answer.headers["etag"].strip('"')
    kept = await running.node.cache.get(key)
    assert kept is not None
    assert kept.facts.tags == ()
    assert (await purge(running, Scope.TAG, "t1")).results == 0
    assert (await purge(running, Scope.SOURCE, f"{origin.url}/fallback.png")).results == 1


async def test_a_soft_purge_serves_what_there_is_and_then_what_the_origin_has(origin: Origin, start: Start) -> None:
    origin.pages["/a.png"] = picture((200, 30, 60))
    running = await start()
    url = path(origin, "a.png")
    before = await running.ask(url)
    origin.pages["/a.png"] = picture((20, 130, 160))
    assert (await running.ask(url)).headers["etag"] == before.headers["etag"], "fresh for ten minutes"
    done = await purge_of(running)(
        Selector(scope=Scope.SOURCE, value=f"{origin.url}/a.png", tenant="default"), soft=True
    )
    assert (done.results, done.sources) == (0, 1)
    stale = await running.ask(url)
    assert stale.headers["etag"] == before.headers["etag"]
    assert "max-age=10" in stale.headers["cache-control"]

    async def renewed() -> bool:
        return (await running.ask(url)).headers["etag"] != before.headers["etag"]

    await running.until(renewed)


async def test_a_purge_of_one_tenant_or_of_all(origin: Origin, start: Start) -> None:
    origin.pages["/a.png"] = picture()
    running = await start()
    key = await key_of(running, path(origin, "a.png"))
    assert (await purge_of(running)(Selector(scope=Scope.ALL, tenant="another"))) == Purged(0, 0)
    assert await running.node.cache.get(key) is not None
    assert (await purge_of(running)(Selector(scope=Scope.ALL))) == Purged(1, 1)
    assert await running.node.cache.get(key) is None
    assert running.metric("tintype_purges_total", scope="all", mode="hard") == 2
    assert running.metric("tintype_purged_entries_total") == 2

"""Rendering through real parts: origins that change between two looks, stale answers, watermarks that move."""

from __future__ import annotations

import asyncio
import io
from itertools import count
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Start
from tintype.core.entry import Scope, Selector

FRESH = {"Cache-Control": "max-age=600"}


def path(origin: Origin, name: str, options: str = "w:90") -> str:
    return f"/unsafe/{options}/plain/{origin.url}/{name}"


def solid(color: tuple[int, int, int], size: tuple[int, int] = (90, 60)) -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def colour(body: bytes, at: tuple[int, int] = (5, 5)) -> tuple[int, ...]:
    value = Pillow.open(io.BytesIO(body)).convert("RGB").getpixel(at)
    assert isinstance(value, tuple)
    return tuple(value)


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def evict(folder: Path) -> None:
    """Take the bytes of all sources away, and leave what is known of them."""
    for file in (folder / "var" / "sources" / "bodies").rglob("*"):
        if file.is_file() and file.parent.name != "bodies":
            file.unlink()


# Moved: bytes evicted, and the origin has others


async def test_what_changed_between_bind_and_open_is_looked_at_again(
    tmp_path: Path, origin: Origin, start: Start
) -> None:
    origin.pages["/m.png"] = Page(solid(RED), headers=FRESH)
    before = await (await start()).ask(path(origin, "m.png", "w:90"))
    running = await start()
    evict(tmp_path)
    origin.pages["/m.png"] = Page(solid(BLUE, (60, 90)), headers=FRESH)
    answers = await asyncio.gather(*(running.ask(path(origin, "m.png", f"w:{50 + i}")) for i in range(4)))
    assert {(a.status, colour(a.body)) for a in answers} == {(200, BLUE)}
    assert [Pillow.open(io.BytesIO(a.body)).size for a in answers] == [(50, 75), (51, 77), (52, 78), (53, 80)]
    after = await running.ask(path(origin, "m.png", "w:90"))
    assert (colour(before.body), colour(after.body)) == (RED, BLUE)
    assert after.headers["etag"] != before.headers["etag"]
    # Under the key of the old bytes there is still the old picture: same key, same bytes.
    key = before.headers["etag"].strip('"')
    kept = await running.node.cache.get(key)
    assert kept is not None
    assert kept.body == before.body


async def test_an_origin_that_never_sends_the_same_twice(tmp_path: Path, origin: Origin, start: Start) -> None:
    """Nothing is kept of what was fetched, so that each look at the bytes may find others."""
    numbers = count()
    answer = origin.answer

    def always_new(request: object) -> None:
        origin.pages["/n.png"] = Page(solid((next(numbers) % 256, 9, 9)), headers=FRESH)
        answer(request)  # type: ignore[arg-type]

    origin.answer = always_new  # type: ignore[method-assign]
    running = await start()
    assert (await running.ask(path(origin, "n.png"))).status == 200
    seen: dict[str, bytes] = {}
    for i in range(3):
        evict(tmp_path)
        running.clock.ahead += 11  # what was held for open is let go; the binding is still fresh
        found = await running.ask(path(origin, "n.png", f"w:{60 + i}"))
        assert (found.status, seen.setdefault(found.headers["etag"], found.body)) == (200, found.body)


# One render for all


async def test_whenever_they_come_identical_requests_are_rendered_once(tmp_path: Path, start: Start) -> None:
    """Some come while it is rendered, some when it has just landed in the cache, some after."""
    (tmp_path / "i.png").write_bytes(solid(RED, (120, 80)))
    running = await start()
    await running.ask("/unsafe/w:10/plain/local:///i.png")

    async def later(asked: str, seconds: float) -> int:
        await asyncio.sleep(seconds)
        return (await running.ask(asked)).status

    variants = 40
    for i in range(variants):
        asked = f"/unsafe/w:{20 + i}/plain/local:///i.png"
        assert set(await asyncio.gather(*(later(asked, j * 0.0007) for j in range(16)))) == {200}
    assert running.metric("tintype_engine_seconds_count", kind="run") == variants + 1


# Watermarks and fallbacks that move


async def test_a_watermark_that_changes_with_every_look_never_shares_a_key(
    tmp_path: Path, origin: Origin, start: Start
) -> None:
    origin.pages["/w.png"] = Page(solid((255, 255, 255)), headers=FRESH)
    origin.pages["/mark.png"] = Page(solid(RED, (20, 20)))
    answer, turn = origin.answer, count()
    marks = (RED, GREEN, BLUE)

    def changing(request: object) -> None:
        if request.path == "/mark.png":  # type: ignore[attr-defined]
            origin.pages["/mark.png"] = Page(solid(marks[next(turn) % 3], (20, 20)))
        answer(request)  # type: ignore[arg-type]

    running = await start(f'watermark.url = "{origin.url}/mark.png"')
    by_colour: dict[str, tuple[int, ...]] = {}
    for i, mark in enumerate(marks):  # what each mark's key is, when it holds still
        origin.pages["/mark.png"] = Page(solid(mark, (20, 20)))
        running.clock.ahead += 100
        still = await running.ask(path(origin, "w.png", f"w:90/wm:1:nowe/cb:{i}"))
        by_colour[still.headers["etag"]] = colour(still.body)
    assert sorted(by_colour.values()) == sorted(marks)
    origin.answer = changing  # type: ignore[method-assign]
    for i in range(6):
        running.clock.ahead += 100
        await running.node.cache.drop(Selector(scope=Scope.ALL))
        found = await running.ask(path(origin, "w.png", f"w:90/wm:1:nowe/cb:x{i}"))
        if found.status == 200:
            assert by_colour[found.headers["etag"]] == colour(found.body), "a key with another mark's pixels"


@pytest.mark.parametrize("what", ["watermark", "fallback"])
async def test_an_evicted_stand_in_that_changed_is_looked_at_again(
    tmp_path: Path, origin: Origin, start: Start, what: str
) -> None:
    origin.pages["/w.png"] = Page(solid((255, 255, 255)), headers=FRESH)
    origin.pages["/mark.png"] = Page(solid(RED, (20, 20)), headers=FRESH)
    tenant = f'{what}.url = "{origin.url}/mark.png"'
    asked = path(origin, "w.png" if what == "watermark" else "none.png", "w:90/wm:1:nowe")
    before = await (await start(tenant)).ask(asked)
    running = await start(tenant)
    evict(tmp_path)
    await running.node.cache.drop(Selector(scope=Scope.ALL))
    origin.pages["/mark.png"] = Page(solid(BLUE, (20, 20)), headers=FRESH)
    after = await running.ask(asked)
    assert (before.status, after.status) == (200, 200)
    assert (colour(before.body), colour(after.body)) == (RED, BLUE)
    assert after.headers["etag"] != before.headers["etag"]


async def test_a_cached_result_needs_neither_its_watermarks_bytes_nor_its_origin(
    tmp_path: Path, origin: Origin, start: Start
) -> None:
    origin.pages["/w.png"] = Page(solid((255, 255, 255)), headers=FRESH)
    origin.pages["/mark.png"] = Page(solid(RED, (20, 20)))
    tenant = f'watermark.url = "{origin.url}/mark.png"'
    first = await (await start(tenant)).ask(path(origin, "w.png", "w:90/wm:1"))
    running = await start(tenant)
    evict(tmp_path)
    asked = len(origin.asked)
    for spelled in ("wm:1/w:90", "width:90/wm:1", "w:90/h:0/wm:1"):
        again = await running.ask(path(origin, "w.png", spelled))
        assert (again.headers["etag"], again.body) == (first.headers["etag"], first.body)
    assert len(origin.asked) == asked
    assert running.metric("tintype_engine_seconds_count", kind="run") == 0


# Stale


async def test_what_is_older_than_its_lifetime_when_it_comes_is_stale_at_once(origin: Origin, start: Start) -> None:
    origin.pages["/old.png"] = Page(solid(RED), headers={"Cache-Control": "max-age=10", "Age": "11"})
    running = await start()
    asked = path(origin, "old.png")
    assert (await running.ask(asked)).headers["cache-control"] == "max-age=31536000, public"  # asked for just now
    assert (await running.ask(asked)).headers["cache-control"] == "max-age=10, public"


async def test_stale_while_it_is_asked_for_again(origin: Origin, start: Start) -> None:
    origin.pages["/s.png"] = Page(solid(RED), headers={"Cache-Control": "max-age=10"})
    running = await start()
    asked = path(origin, "s.png")
    first = await running.ask(asked)
    assert first.headers["cache-control"] == "max-age=31536000, public"
    # By the clock of the node, which runs ahead, the new answer's Date is eleven seconds old when it comes.
    origin.pages["/s.png"] = Page(solid(BLUE), headers={"Cache-Control": "max-age=100"})
    running.clock.ahead += 9
    assert "desc=hit" in (await running.ask(asked)).headers["server-timing"]
    assert origin.count("/s.png") == 1
    running.clock.ahead += 2
    stale = await running.ask(asked)
    assert (stale.body, stale.headers["cache-control"]) == (first.body, "max-age=10, public")

    async def is_new() -> bool:
        return colour((await running.ask(asked)).body) == BLUE

    await running.until(is_new)
    assert (await running.ask(asked)).headers["cache-control"] == "max-age=31536000, public"
    # Who read the old binding a moment before the new one was kept asks once more, and so may who comes upon that.
    assert 2 <= origin.count("/s.png") <= 5


async def test_a_stale_answer_is_also_a_304_of_short_life(origin: Origin, start: Start) -> None:
    origin.pages["/t.png"] = Page(solid(RED), headers={"Cache-Control": "max-age=10"})
    running = await start()
    etag = (await running.ask(path(origin, "t.png"))).headers["etag"]
    running.clock.ahead += 11
    origin.pages["/t.png"] = Page(b"", 500, delay_s=0.2)
    unchanged = await running.ask(path(origin, "t.png"), if_none_match=etag)
    assert (unchanged.status, unchanged.headers["cache-control"]) == (304, "max-age=10, public")


async def test_stale_is_served_while_the_origin_fails_until_that_ends(origin: Origin, start: Start) -> None:
    origin.pages["/e.png"] = Page(solid(RED), headers={"Cache-Control": "max-age=10, stale-if-error=300"})
    running = await start()
    asked = path(origin, "e.png")
    first = await running.ask(asked)
    origin.pages["/e.png"] = Page(b"", 503)
    running.clock.ahead += 200
    failing = await running.ask(asked)
    assert (failing.status, failing.body) == (200, first.body)
    assert failing.headers["cache-control"] == "max-age=10, public"
    running.clock.ahead += 200
    assert (await running.ask(asked)).status == 502
    origin.pages["/e.png"] = Page(solid(BLUE), headers=FRESH)
    assert colour((await running.ask(asked)).body) == BLUE


async def test_must_revalidate_is_never_stale(origin: Origin, start: Start) -> None:
    origin.pages["/v.png"] = Page(solid(RED), headers={"Cache-Control": "max-age=10, must-revalidate"})
    running = await start()
    asked = path(origin, "v.png")
    assert (await running.ask(asked)).status == 200
    running.clock.ahead += 11
    origin.pages["/v.png"] = Page(b"", 500)
    assert (await running.ask(asked)).status == 502
    origin.pages["/v.png"] = Page(b"no", 404)
    assert (await running.ask(asked)).status == 404


async def test_an_origin_that_says_nothing_is_asked_at_a_miss_and_once_a_minute(origin: Origin, start: Start) -> None:
    origin.pages["/q.png"] = Page(solid(RED), headers={"ETag": '"v1"'})
    running = await start()
    assert (await running.ask(path(origin, "q.png", "w:40"))).status == 200
    for _ in range(3):
        hit = await running.ask(path(origin, "q.png", "width:40"))
        assert hit.headers["cache-control"] == "max-age=31536000, public"
    assert origin.count("/q.png") == 1
    await running.ask(path(origin, "q.png", "w:41"))  # a miss
    assert origin.count("/q.png") == 2
    running.clock.ahead += 61
    origin.pages["/q.png"] = Page(solid(BLUE), headers={"ETag": '"v2"'})
    assert colour((await running.ask(path(origin, "q.png", "w:40"))).body) == BLUE
    assert origin.count("/q.png") == 3


async def test_a_local_file_that_was_edited_shows_within_a_second(tmp_path: Path, start: Start) -> None:
    (tmp_path / "l.png").write_bytes(solid(RED))
    running = await start()
    asked = "/unsafe/w:40/plain/local:///l.png"
    assert colour((await running.ask(asked)).body) == RED
    (tmp_path / "l.png").write_bytes(solid(BLUE))
    running.clock.ahead += 1.1
    assert colour((await running.ask(asked)).body) == BLUE


async def test_what_is_private_leaves_nothing_behind(tmp_path: Path, origin: Origin, start: Start) -> None:
    origin.pages["/p.png"] = Page(solid(RED), headers={"Cache-Control": "private, max-age=600"})
    running = await start()
    for _ in range(2):
        answer = await running.ask(path(origin, "p.png"))
        assert (answer.status, answer.headers["cache-control"]) == (200, "private, no-store")
    assert origin.count("/p.png") == 2
    assert await running.node.cache.get(answer.headers["etag"].strip('"')) is None
    stored = [f for f in (tmp_path / "var").rglob("*") if f.is_file() and solid(RED) in f.read_bytes()]
    assert not stored


async def test_a_private_page_that_is_public_again_is_shared_again(origin: Origin, start: Start) -> None:
    origin.pages["/pp.png"] = Page(solid(RED), headers={"Cache-Control": "private"})
    running = await start()
    await running.ask(path(origin, "pp.png"))
    origin.pages["/pp.png"] = Page(solid(RED), headers=FRESH)
    running.clock.ahead += 61
    await running.ask(path(origin, "pp.png"))
    asked = origin.count("/pp.png")
    assert "desc=hit" in (await running.ask(path(origin, "pp.png"))).headers["server-timing"]
    assert origin.count("/pp.png") == asked

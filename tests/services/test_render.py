"""Rendering through real parts: origins that change between two looks, stale answers, watermarks that move."""

from __future__ import annotations

import asyncio
import io
from itertools import count
from pathlib import Path

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

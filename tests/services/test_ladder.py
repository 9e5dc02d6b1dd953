"""The ladder through real parts: when a rung is made, who is made from it, and that it goes when its source is purged."""

from __future__ import annotations

import asyncio
import io
import os
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.e2e.node import Answer
from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tintype.core.binding import Binding
from tintype.core.entry import Scope, Selector
from tintype.core.formats import Format
from tintype.core.plan import Rung

LADDER = "policy.ladder = [400]"
FRESH = {"Cache-Control": "max-age=600"}


def photo(size: tuple[int, int] = (1600, 1200), angle: int = 0) -> bytes:
    """A picture that no two corners of look alike, upside down if asked for."""
    image = Pillow.linear_gradient("L").resize(size)
    out = io.BytesIO()
    rgb = Pillow.merge("RGB", (image, image.rotate(90).resize(size), Pillow.new("L", size, 40))).rotate(angle)
    exif = Pillow.Exif()
    exif[0x8298] = "(c) Ladder"
    rgb.save(out, "JPEG", quality=95, exif=exif)
    return out.getvalue()


def picture(body: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(body)).convert("RGB")


def apart(one: bytes, other: bytes) -> float:
    """Return the mean distance of two pictures of one size, 0 to 255."""
    a, b = picture(one), picture(other)
    assert a.size == b.size
    pairs = zip(a.tobytes(), b.tobytes(), strict=True)
    return sum(abs(x - y) for x, y in pairs) / (a.width * a.height * 3)


def rungs(running: Running, use: str) -> float:
    return running.metric("tintype_rungs_total", use=use)


def kinds(running: Running, kind: str) -> float:
    return running.metric("tintype_request_seconds_count", tenant="default", kind=kind)


def jobs(running: Running) -> float:
    return running.metric("tintype_engine_seconds_count", kind="run")


def local(width: int, options: str = "") -> str:
    return f"/unsafe/w:{width}{options}/plain/local:///p.jpg"


async def test_the_third_result_of_a_photo_makes_the_rung_that_the_fourth_is_made_from(
    tmp_path: Path, start: Start
) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start("policy.ladder = []")
    plain = [await running.ask(local(width)) for width in (100, 200, 300, 310)]
    await running.node.cache.drop(Selector(scope=Scope.ALL))
    running = await start(LADDER)
    seen = []
    for width, answer in zip((100, 200, 300, 310), plain, strict=True):
        mine = await running.ask(local(width))
        assert (mine.status, apart(mine.body, answer.body) < 1.5) == (200, True)
        seen.append((rungs(running, "made"), rungs(running, "read")))
    assert seen == [(0, 0), (0, 0), (1, 0), (1, 1)]
    assert [kinds(running, kind) for kind in ("cold", "mezzanine", "hit", "other")] == [3, 1, 0, 0]
    assert (await running.ask(local(350))).status == 200  # too large for the rung
    assert (rungs(running, "made"), rungs(running, "read")) == (1, 1)


async def test_a_restart_keeps_rungs_and_what_was_cached(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    first = [await running.ask(local(width)) for width in (100, 200, 300)]
    running = await start(LADDER)
    again = [await running.ask(local(width)) for width in (100, 200, 300)]
    assert [(a.body, a.headers["etag"]) for a in again] == [(a.body, a.headers["etag"]) for a in first]
    assert jobs(running) == 0
    await running.ask(local(310))
    assert (rungs(running, "made"), rungs(running, "read")) == (0, 1)


async def test_an_etag_is_confirmed_whatever_its_result_was_made_from(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    tags = [(await running.ask(local(width))).headers["etag"] for width in (100, 200, 300)]
    await running.node.cache.drop(Selector(scope=Scope.ALL))
    for width, tag in zip((100, 200, 300), tags, strict=True):
        assert (await running.ask(local(width), if_none_match=tag)).status == 304


SRCSET = [f"/unsafe/w:{width}/format:{kind}/plain/{{}}" for width in (100, 200, 350) for kind in ("jpg", "webp")]


async def asked_together(running: Running, url: str) -> list[Answer]:
    return await asyncio.gather(*(running.ask(path.format(url)) for path in SRCSET))


async def test_six_variants_asked_together_are_one_fetch_and_one_job(origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers=FRESH)
    running = await start(LADDER)
    probed = running.metric("tintype_engine_seconds_count", kind="probe")
    answers = await asked_together(running, f"{origin.url}/p.jpg")
    assert running.metric("tintype_engine_seconds_count", kind="probe") == probed + 1
    assert [picture(answer.body).width for answer in answers] == [100, 100, 200, 200, 350, 350]
    assert [answer.headers["content-type"] for answer in answers] == ["image/jpeg", "image/webp"] * 3
    assert (len(origin.asked), jobs(running), rungs(running, "made"), rungs(running, "read")) == (1, 1, 1, 0)


async def test_what_one_job_made_is_what_the_kept_rung_and_the_original_make(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    together = await asked_together(running, "local:///p.jpg")
    await running.node.cache.drop(Selector(scope=Scope.ALL))
    for path, answer in zip(SRCSET, together, strict=True):
        alone = await running.ask(path.format("local:///p.jpg"))
        assert (alone.headers["etag"], alone.body) == (answer.headers["etag"], answer.body)
    assert (jobs(running), rungs(running, "made"), rungs(running, "read")) == (7, 1, 4)


async def test_those_asked_together_count_with_those_before(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    await running.ask(local(90))
    answers = await asyncio.gather(*(running.ask(local(100 + i)) for i in range(8)))
    assert [picture(a.body).width for a in answers] == [100 + i for i in range(8)]
    assert (jobs(running), rungs(running, "made"), rungs(running, "read")) == (2, 1, 0)


async def test_large_ones_asked_together_are_one_job_and_make_no_rung(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    answers = await asyncio.gather(*(running.ask(local(350 + i)) for i in range(4)))
    assert [picture(a.body).width for a in answers] == [350 + i for i in range(4)]
    assert (jobs(running), rungs(running, "made")) == (1, 0)


async def test_who_comes_a_little_later_makes_no_second_rung(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo((4800, 3600)))
    running = await start(LADDER)
    for width in (100, 200):
        await running.ask(local(width))
    tasks = []
    for width in (300, 310, 320):
        tasks.append(asyncio.create_task(running.ask(local(width))))
        await asyncio.sleep(0.01)
    assert [(await task).status for task in tasks] == [200] * 3
    assert rungs(running, "made") == 1
    assert jobs(running) == 2 + 1 + rungs(running, "read")


async def test_what_has_nothing_in_common_is_made_apart(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER + '\npolicy.shrink_table = "imgproxy"')
    answers = await asyncio.gather(*(running.ask(local(width)) for width in (350, 700)))
    assert [picture(a.body).width for a in answers] == [350, 700]  # of a quarter from the decoder, and of a half
    assert (jobs(running), rungs(running, "made")) == (2, 0)


async def test_one_who_leaves_takes_nothing_from_those_asked_together(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    leaver = asyncio.create_task(running.ask(local(90)))
    others = [asyncio.create_task(running.ask(local(100 + i))) for i in range(4)]
    await asyncio.sleep(0.01)
    leaver.cancel()
    answers = await asyncio.gather(*others)
    assert [picture(a.body).width for a in answers] == [100 + i for i in range(4)]


async def test_a_page_of_another_photo_is_another_job(tmp_path: Path, start: Start) -> None:
    for name in ("p.jpg", "q.jpg"):
        (tmp_path / name).write_bytes(photo(angle=180 * (name == "q.jpg")))
    running = await start(LADDER)
    both = await asyncio.gather(*(asked_together(running, f"local:///{name}") for name in ("p.jpg", "q.jpg")))
    assert all(apart(p.body, q.body) > 20 for p, q in zip(*both, strict=True))
    assert (jobs(running), rungs(running, "made")) == (2, 2)


@pytest.mark.parametrize("selector", [Scope.SOURCE, Scope.PREFIX, Scope.ALL])
async def test_a_purge_takes_the_rungs_of_a_source(
    tmp_path: Path, origin: Origin, start: Start, selector: Scope
) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers=FRESH)
    running = await start(LADDER)
    url = f"{origin.url}/p.jpg"
    for width in (100, 200, 300):
        await running.ask(f"/unsafe/w:{width}/plain/{url}")
    bodies = tmp_path / "var" / "sources" / "bodies"
    assert len(stored(bodies)) == 2
    await running.node.sources.drop(Selector(scope=selector, value="" if selector is Scope.ALL else url), soft=False)

    async def gone() -> bool:
        return not stored(bodies)

    await running.until(gone)


def stored(folder: Path) -> list[Path]:
    """The JPEG files there are, whatever goes away meanwhile: `rglob` fails when a folder does."""
    paths = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return [path for path in paths if start_of(path) == b"\xff\xd8"]


def start_of(path: Path) -> bytes:
    try:
        return path.read_bytes()[:2]
    except FileNotFoundError:
        return b""


async def test_other_bytes_have_other_rungs(origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers=FRESH)
    running = await start(LADDER)
    path = f"plain/{origin.url}/p.jpg"
    before = [await running.ask(f"/unsafe/w:{width}/{path}") for width in (100, 200, 300, 310)]
    origin.pages["/p.jpg"] = Page(photo(angle=180), headers=FRESH)
    running.clock.ahead += 1e6
    after = [await running.ask(f"/unsafe/w:{width}/{path}") for width in (100, 200, 300, 310)]
    for old, new in zip(before, after, strict=True):
        assert apart(old.body, new.body) > 20
    assert (rungs(running, "made"), rungs(running, "read")) == (2, 2)


async def test_a_damaged_rung_is_made_again(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    for width in (100, 200, 300):
        await running.ask(local(width))
    running = await start(LADDER)
    for file in (tmp_path / "var" / "sources" / "bodies").rglob("*"):
        if file.is_file() and file.read_bytes()[:2] == b"\xff\xd8":
            file.write_bytes(file.read_bytes()[:-9] + b"\0" * 9)
    answers = [await running.ask(local(width)) for width in (301, 302, 303)]
    assert [a.status for a in answers] == [200, 200, 200]
    assert (rungs(running, "made"), rungs(running, "read")) == (1, 0)


async def test_what_a_rung_would_have_saved_is_counted_until_it_is_made(tmp_path: Path, start: Start) -> None:
    running = await start(LADDER)
    mezzanines = running.node.sources.mezzanines
    binding = Binding(tenant="default", url="local:///p.jpg", digest="d" * 64, size=1)
    rung, other = (Rung(side=side, format=Format.JPEG, quality=92) for side in (400, 800))
    assert mezzanines.forgone(binding, rung, [3.0, 4.0]) == (0, 0)
    assert mezzanines.forgone(binding, rung, [5.0]) == (2, 7)
    assert mezzanines.forgone(binding, other, [1.0]) == (0, 0)
    await mezzanines.put(binding, rung, b"a rung", generation=mezzanines.generation)
    assert mezzanines.forgone(binding, rung, [5.0]) == (0, 0)


async def test_what_is_private_has_no_ladder(origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg"] = Page(photo(), headers={"Cache-Control": "private"})
    running = await start(LADDER)
    for width in (100, 200, 300, 310):
        assert (await running.ask(f"/unsafe/w:{width}/plain/{origin.url}/p.jpg")).status == 200
    assert (rungs(running, "made"), rungs(running, "read")) == (0, 0)


async def test_the_copyright_that_results_keep_is_kept_through_a_rung(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(LADDER)
    bodies = [(await running.ask(local(width))).body for width in (100, 200, 300, 310)]
    kept = [Pillow.open(io.BytesIO(body)).getexif().get(0x8298) for body in bodies]
    assert kept == ["(c) Ladder"] * 4

"""Ends of the way that few requests take: sources refused by their tenant, formats named, stand-ins that are none."""

from __future__ import annotations

import asyncio
import base64
import io
import time
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Start
from tests.services.test_purge import FRESH, key_of, path, picture
from tests.services.test_render import BLUE, RED, colour, evict, solid
from tintype.core.errors import TintypeError
from tintype.services.demo import make_photo


async def test_a_tenants_own_bound_of_source_bytes(origin: Origin, start: Start) -> None:
    page = picture()
    origin.pages["/a.png"] = page
    running = await start(tenant=f"source_bytes = {len(page.body) - 1}")
    answer = await running.ask(path(origin, "a.png"))
    assert answer.status == 422
    assert str(len(page.body)) in answer.headers["x-tintype-error"]
    running = await start(tenant=f"source_bytes = {len(page.body)}")
    assert (await running.ask(path(origin, "a.png"))).status == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"%PDF-1.7\n%....", "application/pdf"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "image/jp2"),
        (b"\x7fELF\2\1\1" + b"\0" * 60, ""),
        (b"just a text, of some length, as an error page has", "plain text"),
        (b"<!doctype html><html><body>404", "HTML"),
    ],
)
async def test_what_cannot_be_read_is_named_with_what_can(
    origin: Origin, start: Start, body: bytes, named: str
) -> None:
    origin.pages["/a"] = Page(body, headers=FRESH)
    running = await start()
    answer = await running.ask(path(origin, "a"))
    assert answer.status == 422
    error = answer.headers["x-tintype-error"]
    assert named.lower() in error.lower()
    assert "supported are" in error
    assert "webp" in error


async def test_what_is_skipped_is_cached_byte_for_byte_and_purged_like_any_result(origin: Origin, start: Start) -> None:
    page = picture()
    origin.pages |= {"/a.png": page, "/b.png": page}
    running = await start(tenant='policy.passthrough = ["png"]')
    key = await key_of(running, path(origin, "a.png", "w:40/ct:cats"), path(origin, "b.png", "w:40/ct:dogs"))
    kept = await running.node.cache.get(key)
    assert kept is not None
    assert kept.body == page.body
    assert (kept.facts.width, kept.facts.height) == (90, 60)
    assert {"cats", "dogs"} <= set(kept.facts.tags)


async def test_a_source_that_changed_to_what_another_has_finds_that_ones_result(
    tmp_path: Path, origin: Origin, start: Start
) -> None:
    """The bytes are gone and the origin has others: nothing is rendered if those were rendered before."""
    origin.pages |= {"/m.png": Page(solid(RED), headers=FRESH), "/n.png": Page(solid(BLUE), headers=FRESH)}
    running = await start()
    await running.ask(path(origin, "m.png", "w:30"))
    blue = await running.ask(path(origin, "n.png", "w:50"))
    running = await start()
    evict(tmp_path)
    origin.pages["/m.png"] = Page(solid(BLUE), headers=FRESH)
    before = running.metric("tintype_cache_puts_total", tier="ram")
    moved = await running.ask(path(origin, "m.png", "w:50"))
    assert colour(moved.body) == BLUE
    assert moved.headers["etag"] == blue.headers["etag"]
    assert running.metric("tintype_cache_puts_total", tier="ram") <= before + 2, "as it is now, and by a further name"
    assert "desc=hit" in moved.headers["server-timing"]


async def test_a_fallback_that_is_no_image_gives_the_error_and_names_it(origin: Origin, start: Start) -> None:
    nothing = base64.b64encode(b"not an image at all").decode()
    running = await start(tenant=f'fallback.data = "{nothing}"')
    answer = await running.ask(path(origin, "missing.png"))
    assert answer.status == 422
    assert "configured image" in answer.headers["x-tintype-error"]


async def test_a_fallback_of_bytes_is_probed_once(origin: Origin, start: Start) -> None:
    spare = base64.b64encode(solid(RED, (30, 20))).decode()
    running = await start(tenant=f'fallback.data = "{spare}"\nfallback.ttl_s = 7')
    answers = [await running.ask(path(origin, f"missing{n}.png", "w:10")) for n in range(3)]
    assert {answer.status for answer in answers} <= {200, 404}
    assert {colour(answer.body) for answer in answers} == {RED}
    assert {answer.headers["cache-control"] for answer in answers} == {"max-age=7, public"}
    assert len({answer.headers["etag"] for answer in answers}) == 1


async def test_the_demo_photo_is_whole_or_not_there(tmp_path: Path, start: Start) -> None:
    running = await start()
    photo = tmp_path / "demo" / "photo.jpg"
    await make_photo(running.node.engine, photo, time.monotonic() + 60)
    with Pillow.open(io.BytesIO(photo.read_bytes())) as made:
        assert (made.format, made.size) == ("JPEG", (1800, 1200))
    assert [file.name for file in photo.parent.iterdir()] == ["photo.jpg"]
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(OSError, match="file"):
        await make_photo(running.node.engine, tmp_path / "file" / "photo.jpg", time.monotonic() + 60)
    with pytest.raises(TintypeError):
        await make_photo(running.node.engine, photo, time.monotonic() - 1)


async def test_a_client_that_leaves_takes_nothing_from_another_that_stays(origin: Origin, start: Start) -> None:
    origin.pages |= {"/a.png": picture(), "/b.png": picture()}
    running = await start()
    leaving = asyncio.ensure_future(running.ask(path(origin, "a.png", "w:33/ct:a")))
    staying = asyncio.ensure_future(running.ask(path(origin, "b.png", "w:33/ct:b")))
    await asyncio.sleep(0)
    leaving.cancel()
    answer = await staying
    assert answer.status == 200
    kept = await running.node.cache.get(answer.headers["etag"].strip('"'))
    assert kept is not None
    assert "b" in kept.facts.tags

"""Promotion: who would get AVIF gets a quick format at once, and AVIF from the next request on, made once."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.services.conftest import Running, Start

AUTO = 'policy.auto_formats = ["avif", "webp"]'
BROWSER = "image/avif,image/webp,*/*"
PATH = "/unsafe/w:60/plain/local:///p.jpg"


@pytest.fixture(autouse=True)
def photo(tmp_path: Path) -> None:
    out = io.BytesIO()
    Pillow.linear_gradient("L").convert("RGB").resize((120, 90)).save(out, "JPEG")
    (tmp_path / "p.jpg").write_bytes(out.getvalue())


def made(running: Running, result: str = "made") -> float:
    return running.metric("tintype_behind_total", reason="promotion", result=result)


async def promoted(running: Running, count: float = 1) -> None:
    async def done() -> bool:
        return made(running) >= count

    await running.until(done)


async def test_the_first_answer_is_quick_and_short_lived_and_the_next_one_is_avif(start: Start) -> None:
    running = await start(AUTO)
    first = await running.ask(PATH, accept=BROWSER)
    assert first.headers["content-type"] == "image/webp"
    assert first.headers["cache-control"] == "max-age=10, public"
    assert first.headers["vary"] == "Accept"
    await promoted(running)
    second = await running.ask(PATH, accept=BROWSER)
    assert second.headers["content-type"] == "image/avif"
    assert second.headers["cache-control"] == "max-age=31536000, public"
    assert second.headers["vary"] == "Accept"
    assert second.headers["etag"] != first.headers["etag"]
    assert (await running.ask(PATH, accept="image/webp")).body == first.body
    assert running.metric("tintype_engine_seconds_count", kind="run") == 2


async def test_what_is_quick_depends_on_what_the_client_takes(start: Start) -> None:
    running = await start(AUTO)
    assert (await running.ask(PATH, accept="image/avif")).headers["content-type"] == "image/jpeg"


async def test_many_at_once_have_it_made_once(start: Start) -> None:
    running = await start(AUTO)
    answers = await asyncio.gather(*(running.ask(PATH, accept=BROWSER) for _ in range(12)))
    assert {answer.headers["content-type"] for answer in answers} == {"image/webp"}
    await promoted(running)
    await asyncio.sleep(0.1)
    assert running.metric("tintype_engine_seconds_count", kind="run") == 2
    assert made(running) == 1


async def test_a_format_that_the_url_names_is_not_replaced(start: Start) -> None:
    running = await start(AUTO)
    assert (await running.ask(PATH + "@avif", accept=BROWSER)).headers["content-type"] == "image/avif"
    assert made(running) == 0


async def test_it_can_be_switched_off(start: Start) -> None:
    running = await start(AUTO + "\ndelivery.promote = false")
    assert (await running.ask(PATH, accept=BROWSER)).headers["content-type"] == "image/avif"


async def test_what_many_ask_for_at_once_is_made_once_the_answers_are_given(start: Start) -> None:
    running = await start(AUTO)
    paths = [f"/unsafe/w:{40 + i}/plain/local:///p.jpg" for i in range(12)]
    answers = await asyncio.gather(*(running.ask(path, accept=BROWSER) for path in paths))
    assert {answer.headers["content-type"] for answer in answers} == {"image/webp"}
    await promoted(running, 12)
    for path in paths:
        assert (await running.ask(path, accept=BROWSER)).headers["content-type"] == "image/avif"
    assert made(running, "left") == 0

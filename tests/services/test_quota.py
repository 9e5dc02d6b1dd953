"""Quotas: what is charged to a tenant, what is free, and what is taken back."""

from __future__ import annotations

import asyncio
import base64
import hmac
import io
from hashlib import sha256
from pathlib import Path

import pytest
from PIL import Image as Pillow

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start

# Every result costs more than the quota: one is let in while nothing is owed.
SMALL = "quota.ms_per_s = 1\nquota.burst_s = 1"
AUTO = 'policy.auto_formats = ["avif", "webp"]'


def path(width: int) -> str:
    return f"/unsafe/w:{width}/plain/local:///p.jpg"


@pytest.fixture(autouse=True)
def photo(tmp_path: Path) -> None:
    out = io.BytesIO()
    Pillow.linear_gradient("L").convert("RGB").resize((640, 480)).save(out, "JPEG")
    (tmp_path / "p.jpg").write_bytes(out.getvalue())


def refusals(running: Running, mode: str = "refused") -> float:
    return running.metric("tintype_quota_refusals_total", tenant="default", mode=mode)


async def test_a_miss_beyond_the_quota_is_429_until_it_would_be_allowed_and_hits_are_free(start: Start) -> None:
    running = await start(SMALL)
    first = await running.ask(path(60))
    refused = await running.ask(path(61))
    assert (first.status, refused.status, refused.body) == (200, 429, b"Too many requests")
    assert refused.headers["x-tintype-error"].startswith("quota_exceeded: ")
    assert refused.headers["ratelimit-policy"] == '"second";q=1;qu="tintype-worker-ms";w=1'
    after_s = int(refused.headers["retry-after"])
    assert refused.headers["ratelimit"] == f'"second";r=0;t={after_s}'
    assert refusals(running) == 1
    assert (await running.ask(path(60))).body == first.body
    running.clock.ahead += after_s
    assert (await running.ask(path(61))).status == 200
    assert "ratelimit" not in first.headers


async def test_who_waits_for_the_same_is_not_charged(start: Start) -> None:
    running = await start(SMALL)
    answers = await asyncio.gather(*(running.ask(path(60)) for _ in range(8)))
    assert {answer.status for answer in answers} == {200}
    assert refusals(running) == 0


async def test_a_dark_quota_counts_and_refuses_nothing(start: Start) -> None:
    running = await start(f"{SMALL}\nquota.dark = true")
    assert [(await running.ask(path(width))).status for width in (60, 61, 62)] == [200, 200, 200]
    assert (refusals(running, "dark"), refusals(running)) == (2, 0)


async def test_what_is_made_behind_an_answer_is_free(start: Start) -> None:
    running = await start(f"{AUTO}\nquota.ms_per_day = 1")

    async def promoted() -> bool:
        return running.metric("tintype_behind_total", reason="promotion", result="made") == 1

    assert (await running.ask(path(60), accept="image/avif,image/webp")).status == 200
    await running.until(promoted)
    assert (await running.ask(path(60), accept="image/avif,image/webp")).headers["content-type"] == "image/avif"
    assert refusals(running) == 0


async def test_an_original_that_is_not_rendered_is_free(start: Start) -> None:
    running = await start(SMALL)
    await running.ask(path(60))
    assert (await running.ask("/unsafe/raw:1/plain/local:///p.jpg")).status == 200


async def test_what_no_worker_began_is_taken_back(start: Start, origin: Origin, tmp_path: Path) -> None:
    running = await start(SMALL)
    for name in ("/p.jpg", "/q.jpg"):
        origin.pages[name] = Page((tmp_path / "p.jpg").read_bytes(), headers={"Cache-Control": "max-age=86400"})
        # The header has been read, and is not again.
        assert (await running.ask(f"/unsafe/w:60/plain/{origin.url}{name}")).status == 200
        running.clock.ahead += 1000
    await running.node.engine.close()  # refuses renders from here on: it drains
    for name in ("/p.jpg", "/q.jpg"):
        answer = await running.ask(f"/unsafe/w:61/plain/{origin.url}{name}")
        assert answer.headers["x-tintype-error"].startswith("draining")  # not quota_exceeded: nothing was spent
    assert refusals(running) == 0


async def test_a_key_has_a_quota_of_its_own(start: Start) -> None:
    running = await start(
        'keys = ["11", "22"]\nsalts = ["33", "44"]\nkey_ids = ["shop", "press"]\nkey_quota = { ms_per_s = 1, burst_s = 1 }'
    )
    assert (await running.ask(signed(path(60), "11", "33"))).status == 200
    refused = await running.ask(signed(path(61), "11", "33"))
    assert refused.status == 429
    assert refused.headers["ratelimit-policy"] == '"key-second";q=1;qu="tintype-worker-ms";w=1'
    assert "tenants.default.key_quota" in refused.headers["x-tintype-error"]
    assert (await running.ask(signed(path(60), "11", "33"))).status == 200  # a hit
    assert (await running.ask(signed(path(61), "22", "44"))).status == 200
    assert (await running.ask(path(62))).status == 200  # a token is no key
    assert running.metric("tintype_quota_refusals_total", tenant="default", scope="key", mode="refused") == 1


def signed(target: str, key: str, salt: str) -> str:
    made = hmac.new(bytes.fromhex(key), bytes.fromhex(salt) + target.removeprefix("/unsafe").encode(), sha256)
    signature = base64.urlsafe_b64encode(made.digest()).rstrip(b"=").decode()
    return f"/{signature}{target.removeprefix('/unsafe')}"

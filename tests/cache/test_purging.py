"""While a purge empties a slow tier: what is made then is kept, what was begun before is not, nor what is found then."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tests.cache.test_tiers import Gated, over, until_waiting
from tintype.cache.assemble import open_cache
from tintype.cache.settings import CacheSettings
from tintype.cache.tiers import Tiers
from tintype.core.entry import Scope, Selector
from tintype.core.limits import Limits

EITHER = pytest.mark.parametrize("ram_bytes", [0, 1_000_000])


class Slow(Gated):
    """A disk of whose purges one kind waits to be let through; and what is read and put, while `gate` is not set."""

    def __init__(self, folder: Path) -> None:
        super().__init__(disk(folder, TickingClock(), Seen()))
        self.purging, self.slowly = asyncio.Event(), ALL
        self.gate.set()

    async def drop(self, selector: Selector) -> int:
        if selector == self.slowly:
            self.waiting += 1
            await self.purging.wait()
            self.waiting -= 1
        return await super().drop(selector)


@asynccontextmanager
async def emptying(slow: Slow, cache: Tiers, selector: Selector = ALL) -> AsyncIterator[None]:
    """Let a purge be under way, and end with the block."""
    slow.slowly = selector
    purge = asyncio.create_task(cache.drop(selector))
    await until_waiting(slow)
    try:
        yield
    finally:
        slow.purging.set()
        await purge


async def written(cache: Tiers, *keys: str) -> None:
    async with asyncio.timeout(60):
        while any(tier.waits(key) for tier in cache._below for key in keys):  # noqa: ASYNC110 in a thread
            await asyncio.sleep(0.001)


@EITHER
async def test_what_is_made_meanwhile_is_kept_and_what_was_begun_before_is_not(tmp_path: Path, ram_bytes: int) -> None:
    slow = Slow(tmp_path)
    cache = over(slow, Seen(), ram_bytes=ram_bytes)
    await cache.put("old", make_entry(source="s"))
    await written(cache, "old")
    before = cache.generation
    async with emptying(slow, cache, select(Scope.SOURCE, "s")):
        await cache.put("new", make_entry(b"new", source="s"), generation=cache.generation)
        await cache.put("late", make_entry(b"late", source="s"), generation=before)
        await cache.put("other", make_entry(b"other", source="o"), generation=before)
        assert [await cache.get(key) is not None for key in ("new", "late", "other")] == [True, False, True]
        await written(cache, "other")
    kept = [True, False, True, False]
    assert [await cache.get(key) is not None for key in ("new", "late", "other", "old")] == kept
    await written(cache, "new")
    await cache.close()
    again = disk(tmp_path, TickingClock(), Seen())
    assert [await again.get(key) is not None for key in ("new", "late", "other", "old")] == kept
    await again.close()


@EITHER
async def test_what_was_made_meanwhile_goes_with_the_next_purge(tmp_path: Path, ram_bytes: int) -> None:
    slow = Slow(tmp_path)
    cache = over(slow, Seen(), ram_bytes=ram_bytes)
    async with emptying(slow, cache):
        await cache.put("new", make_entry(tags=("t",)))
        await cache.drop(select(Scope.TAG, "t"))
        assert await cache.get("new") is None
    assert await cache.get("new") is None
    await cache.close()


async def test_what_is_read_before_the_tier_is_emptied_is_no_hit_and_goes_nowhere(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    await slow.tier.put("key", make_entry(source="s"))
    await slow.tier.put("other", make_entry(source="o"))
    cache = over(slow, Seen(), ram_bytes=1_000_000)
    async with emptying(slow, cache, select(Scope.SOURCE, "s")):
        assert await cache.get("key") is None
        assert await cache.get("other") is not None
        slow.gate.clear()
        reading = asyncio.create_task(cache.get("key"))
        await until_waiting(slow, 2)
    slow.gate.set()
    assert await reading is None, "it was read before, and came after"
    assert await cache.get("key") is None
    await cache.close()


async def test_of_two_purges_the_one_that_ends_first_lets_nothing_through_that_the_other_matches(
    tmp_path: Path,
) -> None:
    slow = Slow(tmp_path)
    await slow.tier.put("key", make_entry(source="s"))
    cache = over(slow, Seen(), ram_bytes=1_000_000)
    async with emptying(slow, cache, select(Scope.SOURCE, "s")):
        await cache.drop(select(Scope.SOURCE, "o"))
        assert await cache.get("key") is None
    await cache.close()


async def test_nothing_is_at_hand_on_disk_while_a_purge_runs(tmp_path: Path) -> None:
    settings = CacheSettings(ram_bytes=0)
    cache = open_cache(settings, tmp_path, limits=Limits(), clock=TickingClock(), telemetry=Seen())
    await cache.put("key", make_entry(source="s"))
    await written(cache, "key")
    assert await cache.get("key") is not None
    assert cache.find("key") is not None
    with cache._purges.carried_out(select(Scope.SOURCE, "s")):
        assert cache.find("key") is None
    await cache.close()


async def test_a_purge_that_is_given_up_holds_nothing_back(tmp_path: Path) -> None:
    slow = Slow(tmp_path)
    cache = over(slow, Seen())
    purge = asyncio.create_task(cache.drop(ALL))
    await until_waiting(slow)
    await cache.put("new", make_entry())
    purge.cancel()
    await asyncio.gather(purge, return_exceptions=True)
    await written(cache, "new")
    assert await slow.tier.get("new") is not None
    await cache.close()

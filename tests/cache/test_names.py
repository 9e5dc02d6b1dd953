"""An entry goes by the names of every request it answered, in every tier; ordinary hits write nothing."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from tests.cache.support import Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tests.cache.test_tiers import Gated, over, tiers, until_waiting
from tintype.core.entry import ANY, MOST_TAGS, Names, Scope, Selector
from tintype.core.purges import Purges

FIRST = Names(source="https://x/1", tags=("pipeline:1", "cats"))
SECOND = Names(source="https://x/2", tags=("pipeline:2", "dogs"))
OF_EITHER = [
    select(Scope.TAG, "cats"),
    select(Scope.TAG, "dogs"),
    select(Scope.TAG, "pipeline:1"),
    select(Scope.TAG, "pipeline:2"),
    select(Scope.SOURCE, "https://x/1"),
    select(Scope.SOURCE, "https://x/2"),
    select(Scope.PREFIX, "https://x/2"),
]


def puts(seen: Seen) -> list[float]:
    return [seen.value("cache_puts", tier) for tier in ("ram", "disk", "object")]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("selector", OF_EITHER)
async def test_a_purge_by_any_name_empties_every_tier(tmp_path: Path, selector: Selector, restarted: bool) -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache = tiers(tmp_path, clock, seen, store=store)
    entry = make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now())
    await cache.put("key", entry)
    found = await cache.get("key", SECOND)
    assert found is not None
    assert found.body == entry.body
    if restarted:
        await cache.close()
        cache = tiers(tmp_path, clock, seen, store=store)
    assert await cache.drop(selector) == 1
    for names in (FIRST, SECOND, None):
        assert await cache.get("key", names) is None
    await cache.close()
    for folder, shared in ((tmp_path, None), (tmp_path / "another node", store)):
        cache = tiers(folder, clock, Seen(), store=shared)
        assert await cache.get("key", FIRST) is None
        await cache.close()


async def test_ordinary_hits_write_nothing(tmp_path: Path) -> None:
    seen, clock = Seen(), TickingClock()
    cache = tiers(tmp_path, clock, seen, store=MemoryStore())
    await cache.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    for _ in range(3):
        await cache.get("key", FIRST)
        await cache.get("key")
    await cache.get("key", SECOND)
    for _ in range(20):
        assert await cache.get("key", SECOND) is await cache.get("key", FIRST) is await cache.get("key")
    await cache.close()
    assert puts(seen)[0] == 2
    assert max(puts(seen)) == 2, "one of the result, one of its second name, and none of any hit after"


async def test_a_hit_on_disk_is_renamed_once_without_memory(tmp_path: Path) -> None:
    seen, clock = Seen(), TickingClock()
    cache = tiers(tmp_path, clock, seen, ram_bytes=0)
    await cache.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    for _ in range(4):
        assert await cache.get("key", SECOND) is not None
    await cache.close()
    assert puts(seen)[1] <= 2
    cache = tiers(tmp_path, clock, seen, ram_bytes=0)
    assert await cache.drop(select(Scope.SOURCE, SECOND.source)) == 1
    await cache.close()


async def test_a_result_of_very_many_urls_goes_with_every_purge(tmp_path: Path) -> None:
    """A placeholder behind a million URLs: its names end, what is written for it ends, and no purge misses it."""
    seen, clock = Seen(), TickingClock()
    cache = tiers(tmp_path, clock, seen)
    await cache.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    await cache.put("other", make_entry(source="https://x/o", at=clock.now()))
    found = None
    for number in range(2 * MOST_TAGS):
        found = await cache.get("key", Names(source=f"https://x/{number}", tags=(f"pipeline:{number}",)))
        assert found is not None
        assert len(found.facts.tags) <= MOST_TAGS
    assert found is not None
    assert found.facts.tags == (ANY,)
    assert puts(seen)[0] <= 2 + MOST_TAGS / 2
    await cache.drop(select(Scope.SOURCE, f"https://x/{2 * MOST_TAGS - 1}"))
    assert await cache.get("key") is None
    assert await cache.get("other") is not None
    await cache.close()


async def test_a_name_that_was_purged_before_takes_no_older_result(tmp_path: Path) -> None:
    clock = TickingClock()
    cache = tiers(tmp_path, clock, Seen())
    await cache.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    await cache.drop(select(Scope.TAG, "dogs"))
    assert await cache.get("key", SECOND) is None, "whoever purged dogs wants to see no older dog"
    assert await cache.get("key", FIRST) is not None
    await cache.put("key", make_entry(source=SECOND.source, tags=SECOND.tags, at=clock.now()))
    assert await cache.get("key", SECOND) is not None
    await cache.close()


async def test_nodes_that_rename_at_once_lose_names_and_yet_no_purge(tmp_path: Path) -> None:
    """The shared object has the names that came last; the log says of the others what may be served by them."""
    store, clock = MemoryStore(), TickingClock()
    one, two = (tiers(tmp_path / n, clock, Seen(), store=store) for n in ("1", "2"))
    await one.put("key", make_entry(source="https://x/0", tags=("pipeline:0",), at=clock.now()))
    await one.close()
    one = tiers(tmp_path / "1", clock, Seen(), store=store)
    assert await two.get("key", SECOND) is not None
    assert await one.get("key", FIRST) is not None
    await asyncio.gather(one.close(), two.close())
    one, fresh = (tiers(tmp_path / n, clock, Seen(), store=store) for n in ("1", "3"))
    for selector in (select(Scope.TAG, "cats"), select(Scope.TAG, "dogs")):
        await one.drop(selector)
    for names in (FIRST, SECOND):
        assert await fresh.get("key", names) is None
    await asyncio.gather(one.close(), fresh.close())


async def test_what_waits_under_a_new_name_is_not_found_below_under_its_old_one(tmp_path: Path) -> None:
    seen, clock = Seen(), TickingClock()
    gated = Gated(disk(tmp_path, clock, seen))
    await gated.tier.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    cache = over(gated, seen, ram_bytes=1_000_000)
    for blocker in ("a", "b"):  # both writers are busy, so the next one waits
        await cache.put(blocker, make_entry())
    await until_waiting(gated, 2)
    reading = asyncio.ensure_future(cache.get("key", SECOND))
    await until_waiting(gated, 3)
    gated.gate.set()
    assert await reading is not None
    gated.gate.clear()
    for blocker in ("c", "d"):
        await cache.put(blocker, make_entry())
    await cache.get("key", Names(source="https://x/3", tags=("pipeline:3",)))
    dropping = asyncio.ensure_future(cache.drop(select(Scope.TAG, "pipeline:3")))
    await asyncio.sleep(0.05)
    gated.gate.set()
    await dropping
    await cache.close()
    again = tiers(tmp_path, clock, Seen())
    assert await again.get("key") is None
    await again.close()


async def test_a_slow_read_does_not_take_names_away(tmp_path: Path) -> None:
    seen, clock = Seen(), TickingClock()
    gated = Gated(disk(tmp_path, clock, seen))
    await gated.tier.put("key", make_entry(source="https://x/0", tags=("pipeline:0",), at=clock.now()))
    cache = over(gated, seen, ram_bytes=1_000_000)
    slow = asyncio.ensure_future(cache.get("key"))
    await until_waiting(gated)
    await cache.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    gated.gate.set()
    assert await slow is not None
    assert await cache.drop(select(Scope.TAG, "cats")) == 1
    assert await cache.get("key") is None
    await cache.close()


async def test_a_purge_between_look_and_name_keeps_it_out(tmp_path: Path) -> None:
    """The entry is read, then purged by its first name, then named: nothing comes back."""
    clock, seen = TickingClock(), Seen()
    gated = Gated(disk(tmp_path, clock, seen))
    await gated.tier.put("key", make_entry(source=FIRST.source, tags=FIRST.tags, at=clock.now()))
    cache = over(gated, seen, ram_bytes=1_000_000)
    reading = asyncio.ensure_future(cache.get("key", SECOND))
    await until_waiting(gated)
    await cache.drop(select(Scope.TAG, "cats"))
    gated.gate.set()
    assert await reading is None
    assert await cache.get("key") is None
    await cache.close()


def test_purges_of_other_names_leave_what_is_under_way_alone() -> None:
    purges = Purges()
    with purges.carried_out(select(Scope.TAG, "dogs")):
        pass
    assert purges.allows(0, "t", "key", FIRST.source, FIRST.tags)
    assert not purges.allows(0, "t", "key", FIRST.source, (ANY,))

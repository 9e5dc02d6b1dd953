"""One of several results: the first key in the fastest tier that has any; a shared store is asked for all at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from obstore.store import MemoryStore

from tests.cache.support import Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tests.cache.test_tiers import PATIENT, Gated, tiers, until_waiting
from tintype.cache.behind import Behind
from tintype.cache.object import ObjectCache
from tintype.cache.purgelog import PurgeLog
from tintype.cache.ram import RamCache
from tintype.cache.tiers import Tiers
from tintype.core.entry import Names, Scope
from tintype.core.purges import Purges

KEYS = ("k0", "k1", "k2", "k3")


async def test_the_first_key_wins_within_a_tier_and_the_faster_tier_before_that(tmp_path: Path) -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    here, there = (tiers(tmp_path / name, clock, seen, store=store) for name in ("here", "there"))
    for key in ("k1", "k2"):
        await there.put(key, make_entry(key.encode(), at=clock.now()))
        await there.written(key)
    assert await here.first(("k0", "k3")) is None
    found = await here.first(KEYS)
    assert found == ("k1", await there.get("k1"))
    await here.put("k3", make_entry(b"here", at=clock.now()))
    assert (await here.first(("k2", "k3")) or ("",))[0] == "k3"
    assert (await here.first(("k2", "k0")) or ("",))[0] == "k2"
    await here.close()
    await there.close()


async def test_what_was_purged_by_the_name_it_is_asked_for_by_is_passed_over(tmp_path: Path) -> None:
    clock = TickingClock()
    cache = tiers(tmp_path, clock, Seen())
    await cache.put("k0", make_entry(b"old", at=clock.now()))
    await cache.drop(select(Scope.TAG, "cats"))
    await cache.put("k1", make_entry(b"new", at=clock.now()))
    found = await cache.first(("k0", "k1"), Names(source="other", tags=("cats",)))
    assert found is not None
    assert (found[0], found[1].body) == ("k1", b"new")
    await cache.close()


async def test_a_shared_store_is_asked_for_all_keys_at_once(tmp_path: Path) -> None:
    clock, seen, purges = TickingClock(), Seen(), Purges()
    store = MemoryStore()
    log = PurgeLog(store, clock=clock, telemetry=seen, skew_s=0, poll_s=0.05)
    gated = Gated(ObjectCache(store, purges=log, clock=clock, telemetry=seen, limits=PATIENT))
    below = [
        Behind(disk(tmp_path, clock, seen), purges=purges, telemetry=seen, workers=2),
        Behind(gated, purges=purges, telemetry=seen, workers=2),
    ]
    cache = Tiers(RamCache(0, telemetry=seen), below, purges=purges, clock=clock, log=log)
    asking = asyncio.create_task(cache.first(KEYS))
    await until_waiting(gated, len(KEYS))  # each waits for the same gate
    gated.gate.set()
    assert await asking is None
    await cache.close()

"""The tiers together: promotion, writing behind, and purges that nothing in flight survives."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from obstore.store import MemoryStore

from tests.cache.conformance import Conformance
from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tintype.cache.assemble import open_cache
from tintype.cache.behind import Behind
from tintype.cache.object import ObjectCache, ObjectLimits
from tintype.cache.purgelog import PurgeLog
from tintype.cache.ram import RamCache
from tintype.cache.settings import CacheSettings
from tintype.cache.tier import SlowTier, Tier
from tintype.cache.tiers import Tiers
from tintype.core.entry import ANY, Entry, Scope, Selector
from tintype.core.errors import Misconfigured
from tintype.core.limits import Limits
from tintype.core.purges import Purges
from tintype.ports import Cache

PATIENT = ObjectLimits(get_timeout_s=20, put_timeout_s=20)


def tiers(
    folder: Path,
    clock: TickingClock,
    seen: Seen,
    *,
    ram_bytes: int = 16_000_000,
    store: MemoryStore | None = None,
    purges: Purges | None = None,
) -> Tiers:
    purges = purges or Purges()
    below = [Behind(disk(folder, clock, seen), purges=purges, telemetry=seen, workers=2)]
    log = None
    if store is not None:
        log = PurgeLog(store, clock=clock, telemetry=seen, skew_s=0, poll_s=0.05)
        shared = ObjectCache(store, purges=log, clock=clock, telemetry=seen, limits=PATIENT)
        below.append(Behind(shared, purges=purges, telemetry=seen, workers=4))
    made = Tiers(RamCache(ram_bytes, telemetry=seen), below, purges=purges, clock=clock, log=log)
    if log is not None:
        log.listen(made.hear)
    return made


class TestThree(Conformance):
    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> AsyncIterator[Tier]:
        cache = tiers(folder, clock, seen, store=MemoryStore())
        yield cache  # type: ignore[misc]
        await cache.close()


class TestNoMemory(Conformance):
    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> AsyncIterator[Tier]:
        cache = tiers(folder, clock, seen, ram_bytes=0)
        yield cache  # type: ignore[misc]
        await cache.close()


class Gated:
    """A tier over another whose puts and gets wait until they are let through."""

    name = "disk"

    def __init__(self, tier: SlowTier) -> None:
        self.tier, self.gate, self.waiting = tier, asyncio.Event(), 0

    async def _pass(self) -> None:
        self.waiting += 1
        await self.gate.wait()
        self.waiting -= 1

    async def get(self, key: str) -> Entry | None:
        entry = await self.tier.get(key)
        await self._pass()
        return entry

    async def put(self, key: str, entry: Entry) -> None:
        await self.put_all([(key, entry)])

    async def put_all(self, entries: Sequence[tuple[str, Entry]]) -> None:
        await self._pass()
        await self.tier.put_all(entries)

    async def drop(self, selector: Selector) -> int:
        return await self.tier.drop(selector)

    async def remove(self, keys: Iterable[str]) -> None:
        await self.tier.remove(keys)

    async def close(self) -> None:
        await self.tier.close()


async def until_waiting(gated: Gated, number: int = 1) -> None:
    async with asyncio.timeout(60):
        while gated.waiting < number:  # noqa: ASYNC110 it waits in a thread's answer
            await asyncio.sleep(0.001)


def over(gated: Gated, seen: Seen, ram_bytes: int = 0, max_bytes: int = 64_000_000) -> Tiers:
    purges = Purges()
    behind = Behind(gated, purges=purges, telemetry=seen, workers=2, max_bytes=max_bytes)
    return Tiers(RamCache(ram_bytes, telemetry=seen), [behind], purges=purges, clock=TickingClock())


async def test_a_restart_finds_what_was_queued(tmp_path: Path) -> None:
    first = tiers(tmp_path, TickingClock(), Seen())
    entries = {f"k{number}": make_entry(bytes(number * 100)) for number in range(200)}
    for key, entry in entries.items():
        await first.put(key, entry)
    await first.close()
    second = tiers(tmp_path, TickingClock(), Seen())
    assert {key: await second.get(key) for key in entries} == entries
    await second.close()


async def test_entries_wait_for_others_to_be_written_with_until_there_are_enough_or_it_ends(tmp_path: Path) -> None:
    gated, hour_s = Gated(disk(tmp_path, TickingClock(), Seen())), 3600.0
    gated.gate.set()
    behind = Behind(gated, purges=Purges(), telemetry=Seen(), workers=3, later_s=hour_s)
    entry = make_entry(b"1", tags=("t",))
    for key in ("a", "b"):
        behind.put(key, entry, 0)
    await asyncio.sleep(0.05)
    assert await gated.tier.get("a") is None
    assert behind.forget(Selector(scope=Scope.KEY, value="b")) == ["b"], "what waits is forgotten without being written"
    for key in ("c", "d"):
        behind.put(key, entry, 0)
    async with asyncio.timeout(60):
        for key in ("a", "c", "d"):  # each by a writer of its own
            await behind.written(key)
    assert [key for key in "abcd" if await gated.tier.get(key)] == ["a", "c", "d"]
    behind.put("last", entry, 0)
    await behind.close(20)
    reopened = disk(tmp_path, TickingClock(), Seen())
    assert await reopened.get("last") == entry
    await reopened.close()


async def test_what_waits_goes_to_disk_after_a_while(tmp_path: Path) -> None:
    store = disk(tmp_path, TickingClock(), Seen())
    behind = Behind(store, purges=Purges(), telemetry=Seen(), workers=3, later_s=0.01)
    behind.put("a", make_entry(b"1"), 0)
    async with asyncio.timeout(60):
        while behind.waits("a"):  # noqa: ASYNC110 it is written in a thread
            await asyncio.sleep(0.001)
    assert await store.get("a") == make_entry(b"1")
    await behind.close(20)


async def test_a_hit_below_moves_up(tmp_path: Path) -> None:
    store, clock = MemoryStore(), TickingClock()
    writer = tiers(tmp_path / "1", clock, Seen(), store=store)
    await writer.put("key", make_entry(at=clock.now()))
    await writer.close()
    seen = Seen()
    reader = tiers(tmp_path / "2", clock, seen, store=store)
    for _ in range(3):
        assert await reader.get("key") is not None
    await reader.close()
    hits = {tier: seen.value("cache_hits", tier) for tier in ("ram", "disk", "object")}
    assert hits == {"ram": 2, "disk": 0, "object": 1}
    alone = tiers(tmp_path / "2", clock, Seen())
    assert await alone.get("key") is not None, "it was written to the disk of the node that read it"
    await alone.close()


async def test_what_waits_to_be_written_is_found(tmp_path: Path) -> None:
    gated = Gated(disk(tmp_path, TickingClock(), Seen()))
    cache = over(gated, Seen())
    for number in range(4):
        await cache.put(f"k{number}", make_entry(b"%d" % number))
    await until_waiting(gated, 2)
    for number in range(4):
        found = await cache.get(f"k{number}")
        assert found is not None
        assert found.body == b"%d" % number
    gated.gate.set()
    await cache.close()


# Purges against everything in flight


async def test_a_render_that_began_before_a_purge_is_not_kept(tmp_path: Path) -> None:
    cache = tiers(tmp_path, TickingClock(), Seen())
    port: Cache = cache
    before = port.generation
    await cache.drop(select(Scope.SOURCE, "s1"))
    await cache.put("purged", make_entry(source="s1"), generation=before)
    await cache.put("other", make_entry(source="s2"), generation=before)
    await cache.put("after", make_entry(source="s1"), generation=cache.generation)
    found = {key: await cache.get(key) is not None for key in ("purged", "other", "after")}
    assert found == {"purged": False, "other": True, "after": True}
    await cache.close()
    again = tiers(tmp_path, TickingClock(), Seen())
    assert await again.get("purged") is None
    await again.close()


@pytest.mark.parametrize("selector", [select(Scope.KEY, "k0"), select(Scope.TAG, "t"), ALL])
async def test_a_purge_reaches_what_is_queued_and_what_is_being_written(tmp_path: Path, selector: Selector) -> None:
    seen = Seen()
    gated = Gated(disk(tmp_path, TickingClock(), seen))
    cache = over(gated, seen, ram_bytes=1_000_000)
    for number in range(6):
        await cache.put(f"k{number}", make_entry(b"%d" % number, tags=("t",)))
    await until_waiting(gated, 2)
    purge = asyncio.create_task(cache.drop(selector))
    await asyncio.sleep(0)
    gated.gate.set()
    gone = 1 if selector.scope is Scope.KEY else 6
    assert await purge == gone
    held = [number for number in range(6) if await cache.get(f"k{number}") is not None]
    assert len(held) == 6 - gone
    await cache.close()
    again = disk(tmp_path, TickingClock(), Seen())
    assert [number for number in range(6) if await again.get(f"k{number}") is not None] == held
    await again.close()


async def test_a_purge_of_what_is_queued_ends_what_is_just_written_of_the_key_too(tmp_path: Path) -> None:
    """Of one key an entry is being written whose successor waits: by a name that only the successor has, both go."""
    gated = Gated(disk(tmp_path, TickingClock(), Seen()))
    cache = over(gated, Seen())
    await cache.put("key", make_entry(b"old"))
    await until_waiting(gated)
    await cache.put("key", make_entry(b"new", tags=("red",)))
    purge = asyncio.create_task(cache.drop(select(Scope.TAG, "red")))
    await asyncio.wait([purge], timeout=0.2)  # done by now, had it not waited for the writing
    gated.gate.set()
    await purge
    assert await cache.get("key") is None
    await cache.close()
    again = disk(tmp_path, TickingClock(), Seen())
    assert await again.get("key") is None
    await again.close()


async def test_a_hit_that_was_purged_while_it_was_read_is_not_promoted(tmp_path: Path) -> None:
    seen = Seen()
    below = disk(tmp_path, TickingClock(), seen)
    await below.put("key", make_entry(source="s"))
    gated = Gated(below)
    cache = over(gated, seen, ram_bytes=1_000_000)
    reading = asyncio.create_task(cache.get("key"))
    await until_waiting(gated)
    assert await cache.drop(select(Scope.SOURCE, "s")) == 1
    gated.gate.set()
    assert await reading is None
    assert await cache.get("key") is None
    await cache.close()


async def test_a_purge_reaches_memory_and_disk_of_the_other_node(tmp_path: Path) -> None:
    store, clock = MemoryStore(), TickingClock()
    here = tiers(tmp_path / "1", clock, Seen(), store=store)
    there = tiers(tmp_path / "2", clock, Seen(), store=store)
    await here.put("key", make_entry(source="s", at=clock.now()))
    await there.put("key", make_entry(source="s", at=clock.now()))
    await there.put("other", make_entry(source="o", at=clock.now()))
    assert await there.get("nothing") is None
    before = there.generation
    await here.drop(select(Scope.SOURCE, "s"))
    async with asyncio.timeout(60):
        while there.generation == before:  # noqa: ASYNC110 the other node polls
            await asyncio.sleep(0.01)
    assert await there.get("key") is None
    await there.put("late", make_entry(source="s", at=clock.now()), generation=before)
    assert await there.get("late") is None
    assert await there.get("other") is not None
    await asyncio.gather(here.close(), there.close())
    alone = tiers(tmp_path / "2", clock, Seen())
    assert await alone.get("key") is None
    await alone.close()


async def test_a_node_that_was_down_during_a_purge_does_not_serve_it_from_its_disk(tmp_path: Path) -> None:
    store, clock = MemoryStore(), TickingClock()
    down = tiers(tmp_path / "2", clock, Seen(), store=store)
    await down.put("key", make_entry(source="s", at=clock.now()))
    await down.put("other", make_entry(source="o", at=clock.now()))
    await down.close()
    here = tiers(tmp_path / "1", clock, Seen(), store=store)
    await here.drop(select(Scope.SOURCE, "s"))
    await here.close()
    up = tiers(tmp_path / "2", clock, Seen(), store=store)
    assert await up.get("key") is None
    assert await up.get("other") is not None
    await up.close()


# Bounds


async def test_the_backlog_is_bounded_and_what_is_over_is_counted(tmp_path: Path) -> None:
    seen = Seen()
    gated = Gated(disk(tmp_path, TickingClock(), seen))
    cache = over(gated, seen, max_bytes=100_000)
    for number in range(50):
        await cache.put(f"k{number}", make_entry(bytes(10_000)))
    lost = seen.value("cache_errors", "disk")
    assert 40 < lost < 50
    gated.gate.set()
    await cache.close()
    assert seen.value("cache_puts", "disk") == 50 - lost


async def test_concurrent_use_and_purges_never_give_what_was_purged(tmp_path: Path) -> None:
    """Each source has a number that only grows: first the source changes, then its purge must end every older result."""
    cache = tiers(tmp_path, TickingClock(), Seen(), ram_bytes=30_000)
    current, settled = dict.fromkeys(range(8), 0), dict.fromkeys(range(8), 0)

    async def use(worker: int) -> None:
        for turn in range(60):
            source = (worker + turn) % 8
            generation, mine, least = cache.generation, current[source], settled[source]
            found = await cache.get(f"k{source}")
            assert found is None or int(found.body) >= least
            await asyncio.sleep(0)
            await cache.put(f"k{source}", make_entry(b"%d" % mine, source=f"s{source}"), generation=generation)

    async def purge() -> None:
        for turn in range(60):
            source = turn % 8
            current[source] += 1
            await cache.drop(select(Scope.SOURCE, f"s{source}"))
            settled[source] = current[source]

    await asyncio.gather(*(use(worker) for worker in range(5)), purge())
    await cache.close()


# What other nodes find


async def test_who_waits_until_an_entry_is_written_waits_for_its_latest_form_too(tmp_path: Path) -> None:
    gated = Gated(disk(tmp_path, TickingClock(), Seen()))
    behind = Behind(gated, purges=Purges(), telemetry=Seen(), workers=2)
    behind.put("a", make_entry(b"1"), 0)
    await until_waiting(gated)
    behind.put("a", make_entry(b"2"), 0)
    waits = asyncio.create_task(behind.written("a"))
    await asyncio.sleep(0.02)
    assert not waits.done()
    gated.gate.set()
    await waits
    found = await gated.tier.get("a")
    assert found is not None
    assert found.body == b"2"
    await behind.written("never put")
    await behind.close(20)


async def test_who_waits_for_what_is_given_up_is_let_go(tmp_path: Path) -> None:
    hour_s = 3600.0
    behind = Behind(
        disk(tmp_path, TickingClock(), Seen()), purges=Purges(), telemetry=Seen(), workers=2, later_s=hour_s
    )
    behind.put("purged", make_entry(b"1"), 0)
    waits = asyncio.create_task(behind.written("purged"))
    await asyncio.sleep(0.02)
    assert not waits.done()
    behind.forget(ALL)
    await waits
    await behind.close(20)


async def test_only_what_is_shared_is_waited_for(tmp_path: Path) -> None:
    gated = Gated(disk(tmp_path, TickingClock(), Seen()))
    alone = over(gated, Seen())
    await alone.put("a", make_entry())
    await alone.written("a")
    gated.gate.set()
    await alone.close()
    store = MemoryStore()
    first = tiers(tmp_path / "1", TickingClock(), Seen(), store=store)
    second = tiers(tmp_path / "2", TickingClock(), Seen(), store=store)
    await first.put("a" * 32, make_entry())
    await first.written("a" * 32)
    assert await second.get("a" * 32) == make_entry()
    await asyncio.gather(first.close(), second.close())


# Assembly


async def test_the_settings_decide_which_tiers_there_are(tmp_path: Path) -> None:
    settings = CacheSettings(ram_bytes=1_000_000, disk_bytes=5_000_000, object_url=f"file://{tmp_path}/shared")
    seen, clock = Seen(), TickingClock()
    cache = open_cache(settings, tmp_path / "disk", limits=Limits(), clock=clock, telemetry=seen)
    await cache.put("a" * 32, make_entry(at=clock.now()))
    await cache.close()
    assert [seen.value("cache_puts", tier) for tier in ("ram", "disk", "object")] == [1, 1, 1]
    assert (tmp_path / "shared" / "results" / "aa" / ("a" * 32)).is_file()


async def test_without_any_room_nothing_is_kept_and_nothing_made(tmp_path: Path) -> None:
    none = CacheSettings(ram_bytes=0, disk_bytes=0)
    cache = open_cache(none, tmp_path / "disk", limits=Limits(), clock=TickingClock(), telemetry=Seen())
    await cache.put("key", make_entry())
    assert await cache.get("key") is None
    assert await cache.drop(ALL) == 0
    await cache.close()
    assert not (tmp_path / "disk").exists()


async def test_a_wrong_object_url_leaves_the_disk_to_others(tmp_path: Path) -> None:
    wrong, folder = CacheSettings(object_url="ftp://x"), tmp_path / "disk"
    with pytest.raises(Misconfigured, match=r"cache\.object_url"):
        open_cache(wrong, folder, limits=Limits(), clock=TickingClock(), telemetry=Seen())
    assert not folder.exists()


# What is at hand without waiting


def hits_of(cache: Tiers, key: str) -> tuple[str, bytes] | None:
    """Ask as the server's thread does."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(cache.find, key).result()


async def test_memory_is_at_hand_and_nothing_else_at_first(tmp_path: Path) -> None:
    seen = Seen()
    cache = open_cache(CacheSettings(), tmp_path, limits=Limits(), clock=TickingClock(), telemetry=seen)
    await cache.put("k", make_entry(b"body"))
    assert hits_of(cache, "k") == ("ram", b"body")
    assert hits_of(cache, "other") is None
    assert await cache.drop(ALL) == 1
    assert hits_of(cache, "k") is None
    await cache.close()
    assert seen.value("cache_hits", "ram") == seen.value("cache_misses", "ram") == 0  # the caller counts


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot tell what is in memory")
async def test_a_file_read_lately_is_at_hand_until_it_is_purged(tmp_path: Path) -> None:
    settings = CacheSettings(ram_bytes=0)
    cache = open_cache(settings, tmp_path, limits=Limits(), clock=TickingClock(), telemetry=Seen())
    await cache.put("k", make_entry(b"body", tags=("t",)))
    async with asyncio.timeout(60):
        while hits_of(cache, "k") is None:
            assert await cache.get("k") is not None  # from the queue of what is to be written, then from disk
            await asyncio.sleep(0.01)
    assert hits_of(cache, "k") == ("disk", b"body")
    assert await cache.drop(select(Scope.TAG, "t")) == 1
    assert hits_of(cache, "k") is None
    await cache.close()


@pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot tell what is in memory")
async def test_what_the_disk_had_at_hand_goes_to_memory(tmp_path: Path) -> None:
    settings = CacheSettings(ram_bytes=200_000)
    cache = open_cache(settings, tmp_path, limits=Limits(), clock=TickingClock(), telemetry=Seen())
    entries = {f"k{n}": make_entry(bytes([n]) * 20_000) for n in range(20)}
    for key, entry in entries.items():
        await cache.put(key, entry)
    async with asyncio.timeout(60):
        while (found := hits_of(cache, "k0")) is None or found[0] != "disk":
            for key in entries:
                await cache.get(key)
            await asyncio.sleep(0.01)
    async with asyncio.timeout(60):
        while hits_of(cache, "k0") != ("ram", entries["k0"].body):  # noqa: ASYNC110 the loop takes it in
            await asyncio.sleep(0.01)
    await cache.close()


@pytest.mark.parametrize("ram_bytes", [0, 1_000_000])
async def test_what_goes_by_a_tag_is_told_for_certain_if_nothing_does(tmp_path: Path, ram_bytes: int) -> None:
    settings = CacheSettings(ram_bytes=ram_bytes)
    for life in range(2):  # the second knows it from the disk's index
        cache = open_cache(settings, tmp_path, limits=Limits(), clock=TickingClock(), telemetry=Seen())
        async with asyncio.timeout(60):
            while cache.may_find("another"):  # noqa: ASYNC110 a thread reads the index
                await asyncio.sleep(0.01)
        if life == 0:
            assert not cache.may_find("tag")
            await cache.put("key", make_entry(tags=("tag", "more")))
        assert cache.may_find("tag")
        assert cache.may_find("more")
        assert not cache.may_find("another")
        await cache.close()


async def test_what_goes_by_any_tag_may_go_by_each(tmp_path: Path) -> None:
    cache = open_cache(CacheSettings(disk_bytes=0), tmp_path, limits=Limits(), clock=TickingClock(), telemetry=Seen())
    assert not cache.may_find("tag")
    await cache.put("key", make_entry(tags=(ANY,)))
    assert cache.may_find("tag")
    assert await cache.drop(ALL) == 1
    assert not cache.may_find("tag")
    await cache.close()


async def test_what_nodes_share_may_go_by_any_tag(tmp_path: Path) -> None:
    settings = CacheSettings(ram_bytes=1_000_000, disk_bytes=0, object_url=f"file://{tmp_path}/shared")
    cache = open_cache(settings, tmp_path / "disk", limits=Limits(), clock=TickingClock(), telemetry=Seen())
    assert cache.may_find("tag")
    await cache.close()


async def test_with_a_shared_store_the_disk_is_asked_in_the_usual_way(tmp_path: Path) -> None:
    cache = tiers(tmp_path, TickingClock(), Seen(), ram_bytes=0, store=MemoryStore())
    await cache.put("k", make_entry(b"body"))
    for _ in range(20):
        await cache.get("k")
        await asyncio.sleep(0.01)
        assert hits_of(cache, "k") is None
    await cache.close()

"""When a tier cannot do its part: what is lost is told of, what was purged stays purged, and the others go on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from obstore.store import MemoryStore

from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tests.cache.test_object import _Switch, node
from tests.cache.test_tiers import Gated, over, tiers, until_waiting
from tintype.cache.assemble import open_cache
from tintype.cache.behind import Behind
from tintype.cache.disk import DiskCache
from tintype.cache.object import _HEAD, _MAGIC, packed, unpacked
from tintype.cache.purgelog import _MOST, STORE_ERRORS, PurgeLog
from tintype.cache.s3fifo import S3Fifo
from tintype.cache.settings import CacheSettings
from tintype.core.entry import Names, Scope, Selector
from tintype.core.errors import Overloaded
from tintype.core.limits import Limits
from tintype.core.purges import Purges
from tintype.kit.files import checksum
from tintype.kit.filestore import FileStore


@pytest.fixture
def switch() -> Iterator[_Switch]:
    """A shared store that can be taken away."""
    made = _Switch()
    yield made
    made.clean()


async def test_an_end_does_not_wait_for_a_stuck_tier_and_says_what_was_lost(tmp_path: Path) -> None:
    seen = Seen()
    gated = Gated(disk(tmp_path, TickingClock(), seen))
    behind = Behind(gated, purges=Purges(), telemetry=seen, workers=1)
    for number in range(4):
        behind.put(f"k{number}", make_entry(), 0)
    await until_waiting(gated)
    await behind.close(0.05)
    assert seen.named("cache_backlog_lost") == [{"tier": "disk", "entries": 3}]
    behind.put("late", make_entry(), 0)
    assert seen.value("cache_errors", "disk") == 1, "what comes after the end is counted, not kept"


async def test_a_purge_of_what_is_just_being_written_waits_for_it(tmp_path: Path) -> None:
    seen = Seen()
    gated = Gated(disk(tmp_path, TickingClock(), seen))
    cache = over(gated, seen)
    await cache.put("key", make_entry(source="s"))
    await until_waiting(gated)
    dropping = asyncio.ensure_future(cache.drop(select(Scope.SOURCE, "s")))
    await asyncio.sleep(0.02)
    assert not dropping.done()
    gated.gate.set()
    assert await dropping == 1
    assert await cache.get("key") is None
    await cache.close()


async def test_a_purge_that_the_shared_tier_was_not_told_of_holds_here_and_says_so(
    tmp_path: Path, switch: _Switch
) -> None:
    clock, seen = TickingClock(), Seen()
    cache = tiers(tmp_path, clock, seen, store=switch.store)  # type: ignore[arg-type]
    await cache.put("key", make_entry(source="s", at=clock.now()))
    await cache.put("other", make_entry(source="o", at=clock.now()))
    switch.away()
    with pytest.raises(Overloaded, match="holds on this node"):
        await cache.drop(select(Scope.SOURCE, "s"))
    assert await cache.get("key") is None
    assert await cache.get("other") is not None
    switch.back()
    await cache.close()


async def test_another_nodes_purge_is_told_to_who_listens(tmp_path: Path) -> None:
    settings, clock = CacheSettings(object_url=f"file://{tmp_path}/shared"), TickingClock()
    told: asyncio.Queue[Selector] = asyncio.Queue()
    here, there = (
        open_cache(settings, tmp_path / name, limits=Limits(), clock=clock, telemetry=Seen(), heard=told.put)
        for name in ("here", "there")
    )
    assert await there.get("nothing") is None  # it reads the log from here on
    await here.drop(select(Scope.SOURCE, "s"))
    async with asyncio.timeout(60):
        assert await told.get() == select(Scope.SOURCE, "s")
    assert told.empty()
    await asyncio.gather(here.close(), there.close())


async def test_a_name_purged_while_this_node_was_down_takes_no_result_from_its_disk(tmp_path: Path) -> None:
    """The disk has it by another name, so the log lets it be; by the purged name it may not come back."""
    store, clock = MemoryStore(), TickingClock()
    cats, dogs = (Names(source=f"https://x/{tag}", tags=(f"pipeline:{tag}", tag)) for tag in ("cats", "dogs"))
    down = tiers(tmp_path / "down", clock, Seen(), store=store)
    await down.put("key", make_entry(source=cats.source, tags=cats.tags, at=clock.now()))
    await down.close()
    here = tiers(tmp_path / "here", clock, Seen(), store=store)
    await here.drop(select(Scope.TAG, "dogs"))
    await here.close()
    up = tiers(tmp_path / "down", clock, Seen(), store=store)
    assert await up.get("key", dogs) is None
    assert await up.get("key", cats) is not None
    await up.close()


async def test_purges_for_a_store_that_is_away_are_bounded(switch: _Switch) -> None:
    """More than are remembered become one of everything: too much is purged, never too little."""
    clock, seen = TickingClock(), Seen()
    log = PurgeLog(switch.store, clock=clock, telemetry=seen, skew_s=0, poll_s=1000)
    switch.away()
    for number in range(_MOST + 1):
        with pytest.raises(STORE_ERRORS):
            await log.record(select(Scope.TAG, f"t{number}"))
    assert [selector for selector, _ in log._unsent] == [ALL]
    await log.close()
    assert seen.named("cache_purge_unsent") == [{"purges": 1}]
    switch.back()


async def test_a_log_that_cannot_be_read_is_told_of_and_asked_again(switch: _Switch) -> None:
    clock, seen = TickingClock(), Seen()
    cache, log = node(switch.store, clock, seen)
    switch.away()
    with pytest.raises(Overloaded):
        await cache.drop(select(Scope.TAG, "a"))
    async with asyncio.timeout(60):
        while not seen.named("cache_purges_unread"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    switch.back()
    async with asyncio.timeout(60):
        while log._unsent:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await cache.close()


async def test_a_short_log_is_left_as_it_is() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, log = node(store, clock, seen, poll_s=1000)
    for number in range(5):
        await cache.drop(select(Scope.TAG, f"t{number}"))
    before = store.list_with_delimiter("purges/")["objects"]
    await log.fold()
    assert store.list_with_delimiter("purges/")["objects"] == before
    await cache.close()


def test_an_object_of_another_version_is_a_miss_however_whole_it_is() -> None:
    entry = make_entry()
    facts = msgspec.msgpack.encode({"type": "EntryFacts", "tenant": 5})
    digest = checksum(b"key", facts, entry.body)
    other = b"".join((_MAGIC, len(facts).to_bytes(4, "big"), digest, facts, entry.body))
    assert unpacked("key", other) is None
    assert unpacked("key", packed("key", entry)) == entry
    assert [unpacked("key", packed("key", entry)[:size]) for size in range(_HEAD)] == [None] * _HEAD


async def test_the_quick_look_at_the_disk_takes_no_facts_it_cannot_read(tmp_path: Path) -> None:
    seen = Seen()
    store = FileStore(tmp_path, 64_000_000, tier="disk", clock=TickingClock(), telemetry=seen)
    cache = DiskCache(store, telemetry=seen)
    await store.put("key", b"body", meta=b"\xc1 of another version")
    for _ in range(3):
        assert cache.find("key") is None
    assert cache.find("nothing") is None
    await cache.close()


def test_what_came_to_stay_can_be_taken_out() -> None:
    fifo: S3Fifo[int] = S3Fifo(1000, lambda key, value: None)
    for number in range(10):  # the small queue has a tenth; what is asked for again there moves to the main one
        fifo.put(f"k{number}", number, 100)
        fifo.get(f"k{number}")
    fifo.put("more", 0, 100)
    for number in range(10):
        node_ = fifo.pop(f"k{number}")
        assert node_ is None or node_.value == number
    fifo.pop("more")
    assert (fifo.weight, len(fifo)) == (0, 0)

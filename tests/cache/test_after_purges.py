"""Results made just after a purge are shared at once, though the clocks of nodes may differ; what was begun before never is."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from obstore.store import MemoryStore, ObjectStore

from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tests.cache.test_disk import disk
from tintype.cache.behind import Behind
from tintype.cache.object import ObjectCache, ObjectLimits
from tintype.cache.purgelog import PurgeLog
from tintype.cache.ram import RamCache
from tintype.cache.tiers import Tiers
from tintype.core.entry import Scope, Selector
from tintype.core.purges import Purges

SKEW_S = 5.0
PATIENT = ObjectLimits(get_timeout_s=20, put_timeout_s=20)
CAT = select(Scope.SOURCE, "https://example.com/cat.jpg")


class Node:
    """A node's cache over a store that others share, by a clock that may be ahead of theirs."""

    def __init__(self, folder: Path, store: ObjectStore, ahead_s: float = 0.0) -> None:
        self.clock, seen, purges = TickingClock(), Seen(), Purges()
        self.clock.ahead_s = ahead_s
        self.log = PurgeLog(store, clock=self.clock, telemetry=seen, skew_s=SKEW_S, poll_s=0.05)
        shared = ObjectCache(store, purges=self.log, clock=self.clock, telemetry=seen, limits=PATIENT)
        below = [
            Behind(disk(folder, self.clock, seen), purges=purges, telemetry=seen, workers=2),
            Behind(shared, purges=purges, telemetry=seen, workers=4),
        ]
        self.cache = Tiers(RamCache(0, telemetry=seen), below, purges=purges, clock=self.clock, log=self.log)
        self.log.listen(self.cache.hear)

    async def make(self, body: bytes, *, begun: int | None = None) -> None:
        """Put a result, begun now or at a generation."""
        await self.cache.put("key", make_entry(body, at=self.clock.now()), generation=begun)
        await self.cache.written("key")

    async def found(self) -> bytes | None:
        entry = await self.cache.get("key")
        return None if entry is None else entry.body

    async def hears(self, purges: int) -> None:
        """Wait until so many purges of other nodes have been carried out here."""
        async with asyncio.timeout(60):
            while self.cache.generation < purges:  # noqa: ASYNC110 it polls
                await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def nodes(folder: Path, *ahead_s: float) -> AsyncIterator[list[Node]]:
    store = MemoryStore()
    made = [Node(folder / str(number), store, ahead) for number, ahead in enumerate(ahead_s)]
    for one in made:
        await one.cache.get("key")  # it follows the log from now on
        await one.log.read()
    yield made
    for one in made:
        await one.cache.close()


@pytest.mark.parametrize("selector", [CAT, ALL])
async def test_what_is_made_after_a_purge_is_shared_by_who_purged_and_by_who_heard_of_it(
    tmp_path: Path, selector: Selector
) -> None:
    async with nodes(tmp_path, 0, 0, 0) as (here, there, third):
        await here.make(b"old")
        assert await there.found() == b"old"
        await here.cache.drop(selector)
        assert await here.found() is None
        await here.make(b"new")
        assert await here.found() == b"new"
        await there.hears(2)  # the purge, and that it was carried out
        assert await there.found() == b"new"
        await third.hears(2)
        await third.cache.drop(selector)
        await there.hears(4)
        assert await there.found() is None
        await there.make(b"newer")
        assert await third.found() == b"newer"


async def test_what_was_begun_before_a_purge_was_heard_is_not_shared(tmp_path: Path) -> None:
    async with nodes(tmp_path, 0, 0) as (here, there):
        begun = there.cache.generation
        await here.cache.drop(CAT)
        await there.make(b"old", begun=begun)  # whether it has heard of it yet or not
        await here.hears(2)
        assert await here.found() is None


@pytest.mark.parametrize("behind_s", [0.0, 2.0, 4.0])
async def test_a_purge_by_a_clock_that_is_behind_still_covers_what_was_made_before_it(
    tmp_path: Path, behind_s: float
) -> None:
    async with nodes(tmp_path, 0, -behind_s, 0) as (here, slow, third):
        await here.cache.drop(ALL)
        await here.make(b"between")
        await slow.cache.drop(CAT)  # by its own clock, this was before
        await third.hears(4)
        assert await third.found() is None
        await here.hears(4)
        assert await here.found() is None
        await slow.make(b"after")
        assert await third.found() == b"after"


async def test_who_starts_later_finds_what_was_made_just_after_a_purge_and_nothing_older(tmp_path: Path) -> None:
    store = MemoryStore()
    first = Node(tmp_path / "first", store)
    await first.make(b"old")
    await first.cache.drop(CAT)
    second = Node(tmp_path / "second", store)
    assert await second.found() is None
    await first.make(b"new")
    assert await second.found() == b"new"
    await first.cache.close()
    await second.cache.close()

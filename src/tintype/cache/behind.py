"""Writing to a slow tier later: a bounded queue that is read through, purged, and emptied at the end."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection

import msgspec

from tintype.cache.tier import SlowTier, allowed, matches, under_way, weight_of
from tintype.core.entry import Entry, Selector
from tintype.core.purges import Purges
from tintype.ports import Telemetry


class _Item(msgspec.Struct, frozen=True):
    entry: Entry
    generation: int
    weight: int
    written: asyncio.Event = msgspec.field(default_factory=asyncio.Event)  # or given up


class Behind:
    """A tier that is put to in the background, by `workers` at once.

    Args:
        max_bytes: of entries waiting; what comes on top is not put to this tier, which is counted as an error of it.
        together: how many a worker puts at once.
        later_s: how long an entry may wait for others to be written with; no longer once there are enough for all workers.
    """

    def __init__(
        self,
        tier: SlowTier,
        *,
        purges: Purges,
        telemetry: Telemetry,
        workers: int,
        together: int = 1,
        max_bytes: int = 64_000_000,
        later_s: float = 0.0,
    ) -> None:
        self._tier, self._purges, self._telemetry = tier, purges, telemetry
        self._workers, self._together, self._max_bytes, self._later_s = workers, together, max_bytes, later_s
        self._waiting: OrderedDict[str, _Item] = OrderedDict()
        self._writing: dict[str, _Item] = {}
        self._bytes = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def get(self, key: str, settled: int) -> tuple[Entry, int] | None:
        """Return an entry, and the purge generation that it counts from: `settled` for what the tier has."""
        item = self._waiting.get(key) or self._writing.get(key)
        if item is not None:
            return item.entry, item.generation
        entry = await self._tier.get(key)
        return None if entry is None else (entry, settled)

    def waits(self, key: str) -> bool:
        """Tell whether an entry is on its way to the tier. From any thread."""
        return key in self._waiting or key in self._writing

    async def written(self, key: str) -> None:
        """Return once nothing under a key is on its way to the tier any more."""
        while item := self._waiting.get(key) or self._writing.get(key):
            await item.written.wait()

    def put(self, key: str, entry: Entry, generation: int) -> None:
        """Queue an entry that was begun at a purge generation."""
        self._take(key)
        weight = weight_of(entry)
        if self._closed or self._bytes + weight > self._max_bytes:
            self._telemetry.count("cache_errors", tier=self._tier.name)
            return
        self._waiting[key] = _Item(entry, generation, weight)
        self._bytes += weight
        if not self._later_s or len(self._waiting) >= self._workers * self._together:
            self._begin()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(self._later_s, self._begin)

    def forget(self, selector: Selector) -> list[str]:
        """Drop what waits to be written; returns the keys."""
        waited = [key for key, item in self._waiting.items() if matches(selector, key, item.entry)]
        for key in waited:
            self._take(key)
        return waited

    async def drop(self, selector: Selector, waited: Collection[str]) -> int:
        """Drop what the tier has, and what is just being written; returns how many entries.

        What `waited` (see `forget`) may be there, or on its way there, by fewer names. The selector is noted in the
        purges as under way, so that nothing that matches is begun any more.
        """
        for key, item in list(self._writing.items()):
            if key in waited or matches(selector, key, item.entry):
                await item.written.wait()
        dropped = await self._tier.drop(selector)
        if waited:
            await self._tier.remove(waited)
        return dropped

    async def close(self, drain_s: float) -> None:
        """Write what waits, within a time, then close the tier."""
        self._closed = True
        self._begin()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=drain_s)
        if self._waiting:
            self._telemetry.event("cache_backlog_lost", tier=self._tier.name, entries=len(self._waiting))
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._tier.close()

    def go_on(self) -> None:
        """Write what had to wait for the end of a purge."""
        if self._waiting and self._timer is None:
            self._begin()

    def _begin(self) -> None:
        """Have what waits written now, as far as there are workers."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        batches = -(-len(self._waiting) // self._together)
        for _ in range(min(batches, self._workers - len(self._tasks))):
            task = asyncio.create_task(self._work())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _work(self) -> None:
        while batch := self._next():
            for key, item in batch.items():
                self._writing[key] = item
                del self._waiting[key]
            try:
                await self._tier.put_all([(key, item.entry) for key, item in batch.items() if self._allowed(key, item)])
            finally:
                for key, item in batch.items():
                    del self._writing[key]
                    self._bytes -= item.weight
                    item.written.set()

    def _allowed(self, key: str, item: _Item) -> bool:
        return allowed(self._purges, item.generation, key, item.entry)

    def _next(self) -> dict[str, _Item]:
        """Return the oldest that wait and may be written: that are not just being, and not while they would be purged."""
        batch = {}
        for key, item in self._waiting.items():
            if key not in self._writing and not under_way(self._purges, key, item.entry):
                batch[key] = item
                if len(batch) >= self._together:
                    break
        return batch

    def _take(self, key: str) -> None:
        item = self._waiting.pop(key, None)
        if item is not None:
            self._bytes -= item.weight
            item.written.set()

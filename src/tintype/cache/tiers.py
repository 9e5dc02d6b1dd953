"""The result cache: memory over disk over a shared store. A hit moves up; a put fills all; a purge empties all."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from msgspec.structs import replace

from tintype.cache.behind import Behind
from tintype.cache.disk import DiskCache
from tintype.cache.purgelog import PurgeLog
from tintype.cache.ram import RamCache
from tintype.cache.tier import allowed
from tintype.core.entry import Entry, Names, Selector, knows, with_names
from tintype.core.errors import Overloaded
from tintype.core.purges import Marks, Purges
from tintype.ports import Clock

_DRAIN_S = 10.0
# Purges of a shared tier that what is begun after them is known to be after; it is told from older ones by its time alone.
_NOTED = 64


class Tiers:
    """The `Cache` port. Memory answers at once; the tiers below, fastest first, are written behind.

    An entry goes by the names of every request it has answered: one that asks by a new name has it written again with
    that name, in the background. Purges are remembered with their times, so that a request never gets by a new name what
    was made before a purge of that name.

    `disk` is the disk's tier behind the first of `below`, if it is there.
    With `log` the last tier is shared with other nodes: their purges arrive at `hear`, and what was purged while this node
    was down is not served from its disk.
    """

    def __init__(
        self,
        ram: RamCache,
        below: Sequence[Behind],
        *,
        purges: Purges,
        clock: Clock,
        memory: int = 10_000,
        log: PurgeLog | None = None,
        disk: DiskCache | None = None,
    ) -> None:
        self._ram, self._below, self._purges = ram, tuple(below), purges
        self._log, self._clock = log, clock
        self._times = Marks(memory)
        self._noted: deque[tuple[int, float]] = deque(
            maxlen=_NOTED
        )  # since which generation a purge has been carried out
        self._own = self._below if log is None else self._below[:-1]

        self._disk, self._any_disk = disk if log is None else None, disk
        self._loop: asyncio.AbstractEventLoop | None = None

    @property
    def generation(self) -> int:
        return self._purges.generation()

    async def get(self, key: str, names: Names | None = None) -> Entry | None:
        found = await self.first((key,), names)
        return found[1] if found else None

    async def first(self, keys: Sequence[str], names: Names | None = None) -> tuple[str, Entry] | None:
        """See the port. Of a shared store all are asked for at once, as each takes as long as all of them."""
        for key in keys:
            entry = self._ram.find(key)
            if entry is not None and (entry := self._for(key, entry, names)) is not None:
                return key, entry
        self._loop = asyncio.get_running_loop()
        settled = self._purges.settled()
        if self._log is not None:
            await self._log.first_read()
        for depth, tier in enumerate(self._below):
            together = depth == len(self._own) and len(keys) > 1
            found = await asyncio.gather(*(tier.get(key, settled) for key in keys)) if together else []
            for number, key in enumerate(keys):
                one = found[number] if together else await tier.get(key, settled)
                entry = self._promoted(key, *one, depth) if one else None
                if entry is not None and (entry := self._for(key, entry, names)) is not None:
                    return key, entry
        return None

    def _for(self, key: str, entry: Entry, names: Names | None) -> Entry | None:
        """Return an entry for a request by these names, if it may have it."""
        if names is None or self._ram.knows(key, names) or knows(entry.facts, names):
            return entry
        return self._named(key, entry, names)

    def find(self, key: str) -> tuple[str, bytes] | None:
        """See the `Finder` port. From disk only while no purge of another node can matter."""
        entry = self._ram.glance(key)
        if entry is not None:
            return self._ram.name, entry.body
        if self._disk is None or self._loop is None or self._below[0].waits(key):
            return None
        since = self._purges.settled()
        stored = self._disk.find(key)
        if stored is None or self.generation != since:  # something is being purged, or was meanwhile
            return None
        if self._ram.takes(len(stored.body)) and (entry := self._disk.entry(stored)) is not None:
            self._loop.call_soon_threadsafe(self._promoted, key, entry, since, 0)
        return self._disk.name, stored.body

    def may_find(self, tag: str) -> bool:
        """See the `Finder` port. What other nodes have put into a shared tier is not known here."""
        if self._log is not None:
            return True
        return self._ram.may_go_by(tag) or (self._disk is not None and self._disk.may_go_by(tag))

    async def written(self, key: str) -> None:
        """See the `Shared` port. Without a shared tier there is nothing to wait for."""
        if self._log is not None:
            await self._below[-1].written(key)

    @property
    def shared(self) -> bool:
        """See the `Held` port."""
        return self._log is not None

    async def where(self, key: str) -> str:
        """See the `Held` port."""
        if self._ram.peek(key) is not None:
            return self._ram.name
        disk = self._any_disk
        return disk.name if disk is not None and (self._below[0].waits(key) or await disk.has(key)) else ""

    async def put(self, key: str, entry: Entry, *, generation: int | None = None) -> None:
        since = self.generation if generation is None else generation
        self._keep(key, self._dated(key, entry, since), since)

    def _dated(self, key: str, entry: Entry, since: int) -> Entry:
        """Return an entry that other nodes can tell from what was made before a purge, where its time does not."""
        if self._log is None or not self._log.covers(key, entry.facts):
            return entry
        after = max((at for number, at in self._noted if number <= since), default=0.0)
        return Entry(facts=replace(entry.facts, after=after), body=entry.body)

    def _keep(self, key: str, entry: Entry, since: int) -> None:
        if allowed(self._purges, since, key, entry):
            self._ram.keep(key, entry)
            if self._disk is not None:
                self._disk.expect(entry.facts.tags)
            for tier in self._below:
                tier.put(key, entry, since)

    async def drop(self, selector: Selector) -> int:
        return await self._drop(selector, self._below)

    async def hear(self, selector: Selector) -> None:
        """Carry out a purge that another node has put into the shared tier: all above it."""
        await self._drop(selector, self._own)

    async def close(self) -> None:
        """Write what is still queued (at most 10 seconds), then close every tier."""
        await asyncio.gather(*(tier.close(_DRAIN_S) for tier in self._below))
        await self._ram.close()

    def _named(self, key: str, entry: Entry, names: Names) -> Entry | None:
        facts = with_names(entry.facts, names)
        if facts.created_at <= self._times.latest(facts.tenant, key, facts.source, facts.tags):
            return None
        if self._log is not None and self._log.covers(key, facts):
            return None
        entry = Entry(facts=facts, body=entry.body)
        self._keep(key, entry, self.generation)
        return entry

    def _promoted(self, key: str, entry: Entry, since: int, depth: int) -> Entry | None:
        if (newer := self._ram.peek(key)) is not None:
            return newer  # what came to memory meanwhile may go by more names
        if not allowed(self._purges, since, key, entry):
            return None  # purged while it was being read
        if self._log is not None and self._log.covers(key, entry.facts):
            return None
        self._ram.keep(key, entry)
        for tier in self._below[:depth]:
            tier.put(key, entry, since)
        return entry

    async def _drop(self, selector: Selector, below: Sequence[Behind]) -> int:
        self._times.mark(selector, self._clock.now())
        try:
            # From here on, what was begun before is not kept. What is made meanwhile is: it is written once there is
            # nothing to drop any more.
            with self._purges.carried_out(selector):
                dropped = await self._emptied(selector, below)
            if self._log is not None:
                self._noted.append((self._purges.next(), self._log.heard))
            return dropped
        finally:
            for tier in self._below:
                tier.go_on()

    async def _emptied(self, selector: Selector, below: Sequence[Behind]) -> int:
        waited = [set(tier.forget(selector)) for tier in below]
        above = set(self._ram.drop_keys(selector)).union(*waited)
        kept, failure = [0] * len(below), None
        for depth in reversed(range(len(below))):  # other nodes are told first
            try:
                kept[depth] = await below[depth].drop(selector, waited[depth])
            except Overloaded as error:
                failure = error
        if failure is not None:
            raise failure
        # Memory holds copies of what is below or waits to go there, so each entry is counted once.
        return max([len(above), *(count + len(keys) for count, keys in zip(kept, waited, strict=True))])

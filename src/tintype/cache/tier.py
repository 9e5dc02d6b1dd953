"""What the tiers share: one place results are kept, how entries are named to purges, and what a tier tells of itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from tintype.core.entry import Entry, Selector
from tintype.core.purges import Purges
from tintype.ports import Telemetry

# Python objects of one entry beside its body and source: facts, keys, queue and index places. Measured by
# bench/cache_bench.py (memory).
_OVERHEAD_BYTES = 1_500
_TAG_BYTES = 350  # of each tag: its text's object, its place in the index and the set there, which mostly holds one key
_TAGS_INCLUDED = 1


class Tier(Protocol):
    """One place results are kept. May lose anything at any moment, never returns what was not put."""

    name: str  # ram, disk or object: the label of its metrics

    async def get(self, key: str) -> Entry | None: ...
    async def put(self, key: str, entry: Entry) -> None: ...
    async def drop(self, selector: Selector) -> int: ...
    async def close(self) -> None: ...


class SlowTier(Tier, Protocol):
    """A tier that is written to later, so that it may have what something newer is waiting to replace."""

    async def put_all(self, entries: Sequence[tuple[str, Entry]]) -> None:
        """Do what `put` does for several."""

    async def remove(self, keys: Iterable[str]) -> None:
        """Drop these, whatever they go by here."""


def matches(selector: Selector, key: str, entry: Entry) -> bool:
    facts = entry.facts
    return selector.matches(facts.tenant, key, facts.source, facts.tags)


def allowed(purges: Purges, since: int, key: str, entry: Entry) -> bool:
    facts = entry.facts
    return purges.allows(since, facts.tenant, key, facts.source, facts.tags)


def under_way(purges: Purges, key: str, entry: Entry) -> bool:
    facts = entry.facts
    return purges.under_way(facts.tenant, key, facts.source, facts.tags)


def looked_up(telemetry: Telemetry, tier: str, entry: Entry | None) -> Entry | None:
    telemetry.count("cache_misses" if entry is None else "cache_hits", tier=tier)
    return entry


def weight_of(entry: Entry) -> int:
    """Return about how many bytes of memory an entry takes."""
    facts = entry.facts
    tags = sum(map(len, facts.tags)) + _TAG_BYTES * max(0, len(facts.tags) - _TAGS_INCLUDED)
    return len(entry.body) + len(facts.source) + tags + _OVERHEAD_BYTES

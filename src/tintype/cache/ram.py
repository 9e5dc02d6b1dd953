"""Results in memory, bounded by bytes."""

from __future__ import annotations

from collections.abc import Iterable

from tintype.cache.s3fifo import S3Fifo
from tintype.cache.tier import matches, weight_of
from tintype.core.entry import ANY, SOURCE_TAG, Entry, Names, Scope, Selector
from tintype.ports import Prepared


class RamCache:
    """One event loop's; nothing here waits. With `max_bytes` 0 it keeps nothing."""

    name = "ram"

    def __init__(self, max_bytes: int, *, telemetry: Prepared) -> None:
        names = "cache_hits", "cache_misses", "cache_puts", "cache_evictions"
        self._hit, self._missed, self._kept, self._dropped = [telemetry.counter(name, tier=self.name) for name in names]
        telemetry.watch("cache_bytes", lambda: self._fifo.weight, tier=self.name)
        telemetry.watch("cache_entries", lambda: len(self._fifo), tier=self.name)
        self._fifo: S3Fifo[Entry] = S3Fifo(max_bytes, self._evicted)
        self._by_source: dict[str, set[str]] = {}
        self._by_tag: dict[str, set[str]] = {}

    async def get(self, key: str) -> Entry | None:
        return self.find(key)

    def find(self, key: str) -> Entry | None:
        """Return what `get` does, without a task switch."""
        entry = self._fifo.get(key)
        (self._missed if entry is None else self._hit)(1)
        return entry

    def peek(self, key: str) -> Entry | None:
        """Return what `find` does, without counting as a use."""
        return self._fifo.peek(key)

    def knows(self, key: str, names: Names) -> bool:
        """Tell whether an entry that is here goes by these names; takes a look-up for each, however many it has."""
        by_tag = self._by_tag
        return all(key in by_tag.get(tag, ()) for tag in names.tags) or key in by_tag.get(ANY, ())

    def may_go_by(self, tag: str) -> bool:
        """Tell whether any entry may go by a tag. From any thread."""
        return tag in self._by_tag or ANY in self._by_tag

    def glance(self, key: str) -> Entry | None:
        """Return what `find` does, from any thread, and count nothing but the use."""
        return self._fifo.get(key)

    def takes(self, size: int) -> bool:
        """Tell whether there is room for an entry with a body of `size` bytes, at least."""
        return self._fifo.takes(size)

    async def put(self, key: str, entry: Entry) -> None:
        self.keep(key, entry)

    def keep(self, key: str, entry: Entry) -> None:
        """Do what `put` does, without a task switch."""
        if (old := self._fifo.peek(key)) is not None:
            self._unindex(key, old)
        if self._fifo.put(key, entry, weight_of(entry)):
            for index, name in self._places(entry):
                index.setdefault(name, set()).add(key)
            self._kept(1)

    async def drop(self, selector: Selector) -> int:
        return len(self.drop_keys(selector))

    def drop_keys(self, selector: Selector) -> list[str]:
        """Drop what matches; returns the keys."""
        dropped = [key for key in self._candidates(selector) if self._matches(selector, key)]
        for key in dropped:
            self._forget(key)
        return dropped

    async def close(self) -> None:
        self._fifo.clear()
        self._by_source.clear()
        self._by_tag.clear()

    @property
    def used_bytes(self) -> int:
        return self._fifo.weight

    def __len__(self) -> int:
        return len(self._fifo)

    def _candidates(self, selector: Selector) -> Iterable[str]:
        value, by_source, by_tag = selector.value, self._by_source, self._by_tag
        found: list[Iterable[str]] = [by_tag.get(ANY, ())]
        match selector.scope:
            case Scope.KEY:
                return [value]
            case Scope.ALL:
                return self._fifo
            case Scope.SOURCE:
                found += [by_source.get(value, ()), by_tag.get(SOURCE_TAG + value, ())]
            case Scope.PREFIX:
                found += [keys for source, keys in by_source.items() if source.startswith(value)]
                found += [keys for tag, keys in by_tag.items() if tag.startswith(SOURCE_TAG + value)]
            case Scope.TAG:
                found.append(by_tag.get(value, ()))
        return set().union(*found)

    def _matches(self, selector: Selector, key: str) -> bool:
        entry = self._fifo.peek(key)
        return entry is not None and matches(selector, key, entry)

    def _places(self, entry: Entry) -> list[tuple[dict[str, set[str]], str]]:
        return [(self._by_source, entry.facts.source), *((self._by_tag, tag) for tag in entry.facts.tags)]

    def _forget(self, key: str) -> None:
        node = self._fifo.pop(key)
        if node is not None:
            self._unindex(key, node.value)

    def _evicted(self, key: str, entry: Entry) -> None:
        self._unindex(key, entry)
        self._dropped(1)

    def _unindex(self, key: str, entry: Entry) -> None:
        for index, name in self._places(entry):
            keys = index.get(name)
            if keys is not None:
                keys.discard(key)
                if not keys:
                    del index[name]

"""Results on disk, in a file store of their own: a body is a file, its facts are the file's meta."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from tintype.core.entry import ANY, Entry, EntryFacts, Scope, Selector
from tintype.kit.filestore import FileStore, Put
from tintype.kit.stored import Stored
from tintype.ports import Telemetry

_ENCODE, _DECODE = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(EntryFacts).decode


class DiskCache:
    """Owns its store: closing the cache closes it."""

    name = "disk"

    def __init__(self, store: FileStore, *, telemetry: Telemetry) -> None:
        self._store, self._telemetry = store, telemetry

    async def get(self, key: str) -> Entry | None:
        stored = await self._store.get(key)
        if stored is None:
            return None
        try:
            return Entry(facts=_DECODE(stored.meta), body=stored.body)
        except msgspec.MsgspecError as error:  # written by a version whose facts were others
            self._telemetry.event("cache_entry_unreadable", tier=self.name, key=key, error=str(error))
            await self._store.drop(Selector(scope=Scope.KEY, value=key))
            return None

    def find(self, key: str) -> Stored | None:
        """Return what `get` reads an entry from, if that takes no waiting. From any thread; counts nothing."""
        return self._store.glance(key)

    async def has(self, key: str) -> bool:
        """Tell whether there is an entry; counts nothing."""
        return await self._store.has(key)

    def expect(self, tags: Sequence[str]) -> None:
        """Note that an entry by these tags is on its way."""
        self._store.expect(tags)

    def may_go_by(self, tag: str) -> bool:
        """Return whether any entry may go by a tag: a no is certain. From any thread."""
        return self._store.may_go_by(tag) or self._store.may_go_by(ANY)

    def entry(self, stored: Stored) -> Entry | None:
        """Return the entry that was kept so; None if its facts cannot be read."""
        try:
            return Entry(facts=_DECODE(stored.meta), body=stored.body)
        except msgspec.MsgspecError:
            return None

    async def put(self, key: str, entry: Entry) -> None:
        await self.put_all(((key, entry),))

    async def put_all(self, entries: Sequence[tuple[str, Entry]]) -> None:
        """Keep entries, all in one hop to a thread."""
        await self._store.put_all([_put(key, entry) for key, entry in entries])

    async def drop(self, selector: Selector) -> int:
        return await self._store.drop(selector)

    async def remove(self, keys: Iterable[str]) -> None:
        for key in keys:
            await self._store.drop(Selector(scope=Scope.KEY, value=key))

    async def close(self) -> None:
        await self._store.close()


def _put(key: str, entry: Entry) -> Put:
    facts = entry.facts
    return Put(key, entry.body, _ENCODE(facts), facts.tenant, facts.source, facts.tags)

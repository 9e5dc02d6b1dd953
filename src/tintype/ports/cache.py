"""Ports of the cache: results by plan key, and what can be said of them without waiting."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from tintype.core.entry import Entry, Names, Selector


class Cache(Protocol):
    """Results by plan key. May lose anything at any moment, never returns what was not put."""

    async def get(self, key: str, names: Names | None = None) -> Entry | None:
        """Return a whole, checked entry or None; a damaged one is dropped and counts as None.

        With `names`, those of the request that it is to answer, it goes by them too from now on: a purge by any name of any
        request that an entry has answered finds it. One made before a purge by these names counts as None.
        """
        ...

    async def first(self, keys: Sequence[str], names: Names | None = None) -> tuple[str, Entry] | None:
        """Return the first of some keys that there is an entry for in the fastest tier that has any, and that, as `get`."""
        ...

    @property
    def generation(self) -> int:
        """How many purges there were. Read it before anything a result depends on, and hand it to `put`."""
        ...

    async def put(self, key: str, entry: Entry, *, generation: int | None = None) -> None:
        """Keep an entry, unless a purge after `generation` matches it. Failing to (disk full, store away) is an event."""
        ...

    async def drop(self, selector: Selector) -> int:
        """Drop what matches, in every tier; returns how many entries went (without those only a shared tier had).

        Raises:
            Overloaded: done here, but a store shared with other nodes could not be told yet; ask again.
        """
        ...

    async def close(self) -> None: ...


class Finder(Protocol):
    """What a cache can answer without waiting."""

    def find(self, key: str) -> tuple[str, bytes] | None:
        """Return the tier and the body of a whole, checked entry if it is at hand. From any thread; counts nothing."""
        ...

    def may_find(self, tag: str) -> bool:
        """Return whether any entry may go by a tag: a no is certain. From any thread."""
        ...


class Shared(Protocol):
    """What a cache can say of the tier that it shares with other nodes."""

    async def written(self, key: str) -> None:
        """Return once what was put under a key is there, or was given up."""
        ...


class Held(Protocol):
    """Which tier has what. `shared`: there is one that other nodes use too."""

    @property
    def shared(self) -> bool: ...
    async def where(self, key: str) -> str:
        """Return the fastest tier of this node's own that has an entry, "" = none; counts nothing."""
        ...

"""Results in an object store that nodes share. Slow or away, it costs a request at most its time limit, then nothing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import msgspec
import obstore
from obstore.store import ObjectStore

from tintype.admission.hosts.breaker import Breaker
from tintype.cache.purgelog import STORE_ERRORS, PurgeLog
from tintype.cache.tier import looked_up, matches
from tintype.core.entry import Entry, EntryFacts, Scope, Selector
from tintype.core.errors import Overloaded
from tintype.core.values import fingerprint
from tintype.kit.files import CHECKSUM_BYTES, checksum
from tintype.kit.matching import as_bytes
from tintype.kit.reads import SharedReads
from tintype.ports import Clock, Telemetry

_T = TypeVar("_T")
_MAGIC = b"tintype1"  # then 4 bytes length of the facts, 16 bytes checksum, facts, body
_HEAD = len(_MAGIC) + 4 + CHECKSUM_BYTES
_INLINE_BYTES = 256_000  # checksums of more are computed in a thread (about 0.3 ms)
_ENCODE, _DECODE = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(EntryFacts).decode


@dataclass(frozen=True, slots=True)
class ObjectLimits:
    """Rendering again costs about 0.1 s, so waiting much longer for a store gains nothing."""

    get_timeout_s: float = 0.5
    put_timeout_s: float = 10.0
    body_bytes: int = 200_000_000


class ObjectCache:
    """Owns the purge log beside its entries. Give the bucket a lifecycle rule: nothing here removes old objects."""

    name = "object"

    def __init__(
        self,
        store: ObjectStore,
        *,
        purges: PurgeLog,
        clock: Clock,
        telemetry: Telemetry,
        limits: ObjectLimits = ObjectLimits(),
    ) -> None:
        self._store, self._purges, self._limits = store, purges, limits
        self._clock, self._telemetry = clock, telemetry
        self._breaker = Breaker(open_s=5.0)
        self._reads = SharedReads(lambda key: self._attempt(lambda: self._read(key), self._limits.get_timeout_s))

    async def get(self, key: str) -> Entry | None:
        await self._purges.first_read()
        entry = None
        if self._purges.is_current():
            entry = await self._reads(key)
        if entry is not None and self._purges.covers(key, entry.facts):
            entry = None
        return looked_up(self._telemetry, self.name, entry)

    async def put(self, key: str, entry: Entry) -> None:
        if not self._purges.covers(key, entry.facts):
            await self._attempt(lambda: self._put(key, entry), self._limits.put_timeout_s)

    async def put_all(self, entries: Sequence[tuple[str, Entry]]) -> None:
        for key, entry in entries:
            await self.put(key, entry)

    async def drop(self, selector: Selector) -> int:
        """Let a purge hold on every node that shares the store. Nothing is counted: nobody knows what is there.

        Raises:
            Overloaded: the store could not be told; it holds here, and is told again until this node ends.
        """
        try:
            async with asyncio.timeout(self._limits.put_timeout_s):
                await self._purges.record(selector)
                if selector.scope is Scope.KEY:
                    await self._delete(selector)
        except STORE_ERRORS as error:
            self._failed(error)
            raise Overloaded(
                f"The shared cache could not be told of the purge ({type(error).__name__}); it holds on this node, ask again"
            ) from error
        return 0

    async def remove(self, keys: Iterable[str]) -> None:
        paths = [_path(key) for key in keys]
        await self._attempt(lambda: obstore.delete_async(self._store, paths), self._limits.put_timeout_s)

    async def close(self) -> None:
        await self._purges.close()

    async def _read(self, key: str) -> Entry | None:
        try:
            result = await obstore.get_async(self._store, _path(key))
        except FileNotFoundError:
            return None
        if result.meta["size"] > self._limits.body_bytes + _HEAD + 1_000_000:
            self._damaged(key)
            return None
        data = bytes(await result.bytes_async())
        entry = unpacked(key, data) if len(data) < _INLINE_BYTES else await asyncio.to_thread(unpacked, key, data)
        if entry is None:
            self._damaged(key)
        return entry

    async def _delete(self, selector: Selector) -> None:
        """Remove the bytes of one result, now that it has been purged."""
        entry = await self._read(selector.value)
        if entry is not None and matches(selector, selector.value, entry):
            await obstore.delete_async(self._store, _path(selector.value))

    async def _put(self, key: str, entry: Entry) -> None:
        small = len(entry.body) < _INLINE_BYTES
        data = packed(key, entry) if small else await asyncio.to_thread(packed, key, entry)
        await obstore.put_async(self._store, _path(key), data)
        self._telemetry.count("cache_puts", tier=self.name)

    def _damaged(self, key: str) -> None:
        self._telemetry.count("cache_damaged", tier=self.name)
        self._telemetry.event("cache_entry_damaged", tier=self.name, key=key)

    async def _attempt(self, work: Callable[[], Awaitable[_T]], timeout_s: float) -> _T | None:
        """Do something with the store if it answers these days, within a time; failing is an event."""
        begun = self._breaker.begin(self._clock.monotonic())
        if begun is None:
            return None
        try:
            async with asyncio.timeout(timeout_s):
                done = await work()
        except STORE_ERRORS as error:
            self._breaker.failed(begun, self._clock.monotonic(), random.random())  # noqa: S311 - of pauses, no secret
            self._failed(error)
            return None
        except BaseException:
            self._breaker.gave_up(begun)
            raise
        self._breaker.succeeded(begun)
        return done

    def _failed(self, error: Exception) -> None:
        self._telemetry.count("cache_errors", tier=self.name)
        self._telemetry.event("cache_failed", tier=self.name, error=f"{type(error).__name__}: {error}"[:500])


def packed(key: str, entry: Entry) -> bytes:
    """Return an entry as one object."""
    facts = _ENCODE(entry.facts)
    digest = checksum(as_bytes(key), facts, entry.body)
    return b"".join((_MAGIC, len(facts).to_bytes(4, "big"), digest, facts, entry.body))


def unpacked(key: str, data: bytes) -> Entry | None:
    """Return the entry in an object, or None if it is not whole or not of this key."""
    length = int.from_bytes(data[len(_MAGIC) : len(_MAGIC) + 4], "big")
    digest, facts, body = data[_HEAD - CHECKSUM_BYTES : _HEAD], data[_HEAD : _HEAD + length], data[_HEAD + length :]
    if not data.startswith(_MAGIC) or checksum(as_bytes(key), facts, body) != digest:
        return None
    try:
        return Entry(facts=_DECODE(facts), body=body)
    except msgspec.MsgspecError:
        return None


def _path(key: str) -> str:
    """Keys are hex; any other string gets a hex name, so that no key can leave the folder."""
    name = key if key.isascii() and key.isalnum() else fingerprint(as_bytes(key))
    return f"results/{name[:2]}/{name}"

"""A bounded store of files by key that survives any kill, and drops by key, source, prefix or tag. All of it may be lost.

Nothing blocks the event loop: reads take one hop to a thread (look-up, read and check together), so do writes. Most of what
is not there is known to be missing without one.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from tintype.core.entry import Selector
from tintype.core.errors import Misconfigured
from tintype.kit.fileindex import FileIndex, is_damage
from tintype.kit.files import Shelf, checksum_of, on_disk, own, read_all, sha256_fd
from tintype.kit.hot import Hot
from tintype.kit.known import Known
from tintype.kit.matching import as_bytes
from tintype.kit.rows import Found, Row
from tintype.kit.stored import Stored, StoredFile
from tintype.ports import Clock, Telemetry

_T = TypeVar("_T")
_READERS, _WRITERS = 4, 2
_LARGEST = 4  # one file, or several that are put together, take at most this part of the room: 1/4
_UNSEEN = 64  # bytes in temporary files are made room for by this part of the room at once: 1/64
_TRUSTED = 4096  # files remembered as checked, for `open`


class Put(msgspec.Struct, frozen=True):
    """A body to keep, and what it goes by.

    A body of which there is a file (its name, from `temporary`, its size final) is moved in; where it is not kept, it is
    still there, the caller's. `size` and `sha256` are those of the body, from who knows them already; wrong ones make the
    entry a damaged one.
    """

    key: str
    body: bytes | str
    meta: bytes = b""
    tenant: str = ""
    source: str = ""
    tags: tuple[str, ...] = ()
    sha256: bytes = b""
    size: int = 0


class FileStore:
    """Opens at construction (milliseconds, whatever it holds). One process at a time; the folder is made if needed.

    Args:
        folder: its own folder, on a local disk.
        max_bytes: room for files, files being written and the index together; from 1 MB on. Never exceeded by more
            than what `account` is told.
        tier: which store this is: "disk" (results) or "source", the label of its metrics.
        lock_wait_s: how long to wait for another process (a draining predecessor) to leave the folder.

    Raises:
        Misconfigured: the folder is in use or cannot be used.
    """

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        tier: str,
        clock: Clock,
        telemetry: Telemetry,
        lock_wait_s: float = 0.0,
    ) -> None:
        self._max_bytes, self._tier, self._clock, self._telemetry = max_bytes, tier, clock, telemetry
        self._most = max_bytes // _LARGEST
        self._closed = False
        self._flushing = False
        self._unseen = 0
        self._told_at = float("-inf")
        self._trusted: dict[int, None] = {}
        try:
            self._shelf = Shelf(folder)
            self._lock = own(folder, lock_wait_s)
            self._shelf.sweep()
            self._index = FileIndex(folder, self._shelf, max_bytes)
        except (OSError, sqlite3.Error) as error:
            raise Misconfigured(f"{folder} cannot be used for the {tier} store: {error}") from error
        self._hot, self._known = Hot(self._shelf.file, clock), Known()
        self._readers = ThreadPoolExecutor(_READERS, f"{tier}-read")
        self._writers = ThreadPoolExecutor(_WRITERS, f"{tier}-write")
        self._later(self._index.sweep_lost, self._is_closed)
        self._later(self._learn_names)

    async def get(self, key: str) -> Stored | None:
        """Return a whole, checked body or None; a damaged or truncated one is dropped and counted."""
        name = as_bytes(key)
        return None if self._lacks(name) else await self._run(self._readers, self._read, name, self._load)

    def glance(self, key: str) -> Stored | None:
        """Return what `get` does if that takes no waiting, as for what was got lately. From any thread; counts nothing."""
        read = None if self._closed else self._hot.read(as_bytes(key))
        if read is None:
            return None
        found, body, due = read
        if due:
            self._touch(found)
        return Stored(found.meta, body)

    def expect(self, tags: Sequence[str]) -> None:
        """Note that something by these tags will be put: from now on it may be there. From any thread, as is the next."""
        if self._known.add([as_bytes(tag) for tag in tags]):
            self._later(self._learn_names)

    def may_go_by(self, tag: str) -> bool:
        """Return whether anything may be kept by a tag: a no is certain."""
        return self._known.may(as_bytes(tag))

    async def has(self, key: str) -> bool:
        """Tell whether something is kept under a key; counts nothing, and does not look at the file."""
        return await self._run(self._readers, self._index.find, as_bytes(key)) is not None

    async def open(self, key: str) -> StoredFile | None:
        """Return a checked file. Its checksum is computed the first time this process opens it, its size always."""
        name = as_bytes(key)
        return None if self._lacks(name) else await self._run(self._readers, self._read, name, self._load_file)

    async def put(
        self,
        key: str,
        body: bytes | str,
        *,
        meta: bytes = b"",
        tenant: str = "",
        source: str = "",
        tags: tuple[str, ...] = (),
        sha256: bytes = b"",
    ) -> bool:
        """Keep a body (see `Put`); True = it is kept. Failing to (disk full) is an event, not an error."""
        return (await self.put_all((Put(key, body, meta, tenant, source, tags, sha256),)))[0]

    async def put_all(self, puts: Sequence[Put]) -> list[bool]:
        """Keep bodies, all in one hop; tells of each whether it is kept."""
        return await self._run(self._writers, self._write_all, puts) or [False] * len(puts)

    async def drop(self, selector: Selector) -> int:
        """Drop what matches; whoever asks after it returned does not get it. Returns how many entries went."""
        return await self._run(self._writers, self._drop, selector) or 0

    async def close(self) -> None:
        """End running work and leave the folder to others; then nothing is found and nothing kept."""
        if not self._closed:
            self._closed = True
            await asyncio.get_running_loop().run_in_executor(None, self._end)

    def temporary(self) -> str:
        """Return the name of a file to write a body to, for `put`. The next start removes what is left there."""
        return self._shelf.temporary()

    def account(self, delta: int) -> None:
        """Count bytes that a caller keeps in temporary files (positive) or no longer does (negative). Waits for nothing."""
        self._index.account(delta)
        self._unseen += max(0, delta)
        if self._unseen > self._max_bytes // _UNSEEN:
            self._unseen = 0
            self._later(self._make_room)

    def used_bytes(self) -> int:
        """Return the bytes of disk in use, of the index too. Blocks shortly."""
        return self._index.used_bytes()

    def count(self) -> int:
        return self._index.count()

    # In threads

    def _read(self, key: bytes, load: Callable[[bytes, Found], _T | None]) -> _T | None:
        found = self._index.find(key)
        loaded = self._loaded(key, found, load)
        if found is not None and loaded is None:
            now = self._index.find(key)  # it may just have been replaced
            if now is not None and now.id != found.id:
                found, loaded = now, self._loaded(key, now, load)
        self._count("cache_misses" if loaded is None else "cache_hits")
        if found is not None:
            self._touch(found) if loaded is not None else self._forget(found)
        return loaded

    def _loaded(self, key: bytes, found: Found | None, load: Callable[[bytes, Found], _T | None]) -> _T | None:
        try:
            return None if found is None else load(key, found)
        except FileNotFoundError:
            return None

    def _forget(self, found: Found) -> None:
        if self._index.forget(found):  # else it was evicted between look-up and reading
            self._count("cache_damaged")
            self._telemetry.event("cache_entry_damaged", tier=self._tier, size=found.size)

    def _load(self, key: bytes, found: Found) -> Stored | None:
        body = read_all(self._shelf.file(found.id), found.size)
        if body is None or checksum_of(key, found.meta, _sha256(body)) != found.checksum:
            return None
        self._hot.note(key, found)
        return Stored(found.meta, body)

    def _load_file(self, key: bytes, found: Found) -> StoredFile | None:
        fd = os.open(self._shelf.file(found.id), os.O_RDONLY | os.O_CLOEXEC)
        file = StoredFile(fd, found.size, found.meta)
        whole = os.fstat(fd).st_size == found.size
        if whole and found.id not in self._trusted:
            whole = checksum_of(key, found.meta, sha256_fd(fd)) == found.checksum
            self._trust(found.id)
        if whole:
            return file
        self._trusted.pop(found.id, None)
        file.close()
        return None

    def _trust(self, number: int) -> None:
        self._trusted[number] = None
        if len(self._trusted) > _TRUSTED:
            self._trusted.pop(next(iter(self._trusted)), None)

    def _write_all(self, puts: Sequence[Put]) -> list[bool]:
        """Keep bodies together, which costs little more than one; if not all can be, each for itself."""
        if len(puts) > 1 and self._written_together(puts):
            kept = [True] * len(puts)
        else:
            kept = [bool(self._guarded(self._write_one, put)) for put in puts]
        self._report()
        return kept

    def _written_together(self, puts: Sequence[Put]) -> bool:
        try:
            sizes = list(map(_size, puts))
            return sum(map(on_disk, sizes)) <= self._most and self._write(puts, sizes)
        except (OSError, sqlite3.Error):
            return False

    def _write_one(self, put: Put) -> bool:
        size = _size(put)
        if size > self._most:
            self._telemetry.event("cache_put_refused", tier=self._tier, size=size, most=self._most)
            return False
        return self._write((put,), (size,))

    def _write(self, puts: Sequence[Put], sizes: Sequence[int]) -> bool:
        """Keep bodies, all or none."""
        charge = sum(map(on_disk, sizes))
        evicted = self._index.make_room(charge)
        if evicted is None:  # files of a past life are still being removed, or `account` took all there is
            self._count("cache_errors")
            return False
        self._count("cache_evictions", evicted)
        try:
            rows = [self._row(put, size) for put, size in zip(puts, sizes, strict=True)]
            self._index.add([(row, put.body) for row, put in zip(rows, puts, strict=True)])
        finally:
            self._index.account(-charge)
        if self._known.add([name for row in rows for name in (row.key, *row.tags)]):
            self._later(self._learn_names)
        self._count("cache_puts", len(puts))
        return True

    def _row(self, put: Put, size: int) -> Row:
        key, tags = as_bytes(put.key), tuple(map(as_bytes, put.tags))
        digest = checksum_of(key, put.meta, put.sha256 or _sha256(put.body))
        used = int(self._clock.now())
        return Row(key, as_bytes(put.tenant), as_bytes(put.source), tags, size, digest, used, put.meta)

    def _make_room(self) -> None:
        evicted = self._index.make_room(0)
        if evicted is not None:
            self._count("cache_evictions", evicted)

    def _learn_names(self) -> None:
        self._known.fill(self._index.count_names(), self._index.names(self._is_closed))

    def _drop(self, selector: Selector) -> int:
        dropped = self._index.drop(selector)
        self._report()
        self._later(self._index.sweep_lost, self._is_closed)
        return dropped

    def _touch(self, found: Found) -> None:
        if self._index.touch(found.id, int(self._clock.now())) and not self._flushing:
            self._flushing = True
            self._later(self._flush)

    def _flush(self) -> None:
        try:
            self._index.flush()
        finally:
            self._flushing = False

    def _end(self) -> None:
        self._readers.shutdown()
        self._writers.shutdown()
        self._guarded(self._index.flush)
        self._index.close()
        os.close(self._lock)

    # Between the two

    def _later(self, work: Callable[..., Any], *args: Any) -> None:
        """Have something done behind, unless the store is being closed."""
        with contextlib.suppress(RuntimeError):
            self._writers.submit(self._guarded, work, *args)

    def _lacks(self, key: bytes) -> bool:
        """Tell whether a key is known to be missing; counts it as a miss then."""
        lacks = not self._known.may(key)
        if lacks:
            self._count("cache_misses")
        return lacks

    async def _run(self, pool: ThreadPoolExecutor, work: Callable[..., _T], *args: Any) -> _T | None:
        if self._closed:
            return None
        return await asyncio.get_running_loop().run_in_executor(pool, self._guarded, work, *args)

    def _guarded(self, work: Callable[..., _T], *args: Any) -> _T | None:
        life = self._index.life
        try:
            return work(*args)
        except (OSError, sqlite3.Error) as error:
            self._failed(error)
            if isinstance(error, sqlite3.Error) and is_damage(error):
                self._index.renew(life)
                self._index.sweep_lost(self._is_closed)
            return None

    def _failed(self, error: Exception) -> None:
        """Count every failure, and tell of one a second: a full disk fails thousands of times a second."""
        self._count("cache_errors")
        now = self._clock.monotonic()
        if now - self._told_at >= 1:
            self._told_at = now
            self._telemetry.event("cache_failed", tier=self._tier, error=f"{type(error).__name__}: {error}")

    def _count(self, metric: str, amount: int = 1) -> None:
        if amount:
            self._telemetry.count(metric, amount, tier=self._tier)

    def _report(self) -> None:
        self._telemetry.gauge("cache_bytes", self._index.used_bytes(), tier=self._tier)
        self._telemetry.gauge("cache_entries", self._index.count(), tier=self._tier)

    def _is_closed(self) -> bool:
        return self._closed


def _size(put: Put) -> int:
    if isinstance(put.body, bytes):
        return len(put.body)
    return put.size or os.stat(put.body).st_size  # noqa: PTH116


def _sha256(body: bytes | str) -> bytes:
    if isinstance(body, bytes):
        return hashlib.sha256(body).digest()
    fd = os.open(body, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return sha256_fd(fd)
    finally:
        os.close(fd)

"""The table of bindings: one SQLite database, used by one thread, bounded, and never missed when it is lost."""

from __future__ import annotations

import asyncio
import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec.structs import replace

from tintype.core.binding import Binding
from tintype.core.entry import Scope, Selector
from tintype.core.info import ImageInfo
from tintype.kit.known import Known
from tintype.kit.recent import Recent
from tintype.ports import Telemetry

T = TypeVar("T")

_ENCODE = msgspec.msgpack.Encoder().encode
_VERSION = 1
_SCHEMA = f"""
CREATE TABLE binding (
    key TEXT PRIMARY KEY, tenant TEXT NOT NULL, url TEXT NOT NULL, digest TEXT NOT NULL,
    fetched_at REAL NOT NULL, fresh_until REAL NOT NULL, stale_until REAL NOT NULL, error_until REAL NOT NULL,
    value BLOB NOT NULL, info BLOB
) WITHOUT ROWID;
CREATE INDEX binding_url ON binding (url);
CREATE INDEX binding_age ON binding (fetched_at);
PRAGMA user_version = {_VERSION};
"""
# Additions between two looks at the bound: counting a million rows takes some 10 ms.
_PRUNE_EVERY = 4096
_PAGE = 1000  # keys read at once
# Written by one statement: around each the thread lets go of the interpreter, and then waits for it again. SQLite once took
# 999 values.
_ROWS = 64
# New bindings are written this much later, together and with the header facts learnt meanwhile: no answer waits for a
# transaction, and a kill costs half a second of them. Seconds.
_LATER_S = 0.5
# Sooner, if there are as many as this; and beyond _MOST_WAITING (the disk takes none) new ones are let go.
_TOGETHER, _MOST_WAITING = 256, 4096
# Bindings in memory, for the next variant of a source that was just asked for; some 1.5 KB each.
_LATELY = 1024


class Bindings:
    """Reads and writes take one hop to the table's own thread, and come in the order they were asked for.

    New bindings are written behind, and read from memory until then; so are those asked for lately. What fails (disk full,
    a damaged file) is an event, never an error: a binding that is not there is asked for again.
    """

    def __init__(self, path: Path, most: int, telemetry: Telemetry) -> None:
        self._most, self._telemetry = most, telemetry
        self._thread = ThreadPoolExecutor(1, "bindings")
        self._added = 0
        self._closed = False
        self._waiting: dict[str, Binding] = {}
        self._writing: dict[str, Binding] = {}
        self._lately: Recent[Binding] = Recent(min(_LATELY, most))
        self._changes = 0  # what was read before one of them is not for memory
        self._timer: asyncio.TimerHandle | None = None
        self._path, self._db = path, _opened(path)
        self._known = Known()
        self._filling = ThreadPoolExecutor(1, "bindings-keys")  # with a connection of its own: it may take a while
        self._filling.submit(self._guarded, self._learn_keys)

    async def get(self, key: str) -> Binding | None:
        """Return a binding with its header facts, or None."""
        binding = self._waiting.get(key) or self._writing.get(key) or self._lately.get(key, 0.0)
        if binding is not None or not self._known.may(key.encode()):
            return binding
        changes = self._changes
        binding = await self._run(self._get, key)
        if binding is not None and changes == self._changes:
            self._lately.put(key, binding, math.inf)
        return binding

    def may_have(self, key: str) -> bool:
        """Return whether there may be a binding: a no is certain. From any thread."""
        return key in self._waiting or key in self._writing or self._known.may(key.encode())

    def put(self, binding: Binding) -> None:
        """Keep a binding, in place of an older one of its key."""
        if self._closed or len(self._waiting) + len(self._writing) >= _MOST_WAITING:
            return
        key = binding.key
        self._changed(key)
        self._waiting[key] = binding
        if len(self._waiting) >= min(_TOGETHER, self._most):
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER_S, self._write)

    async def learn(self, key: str, digest: str, info: ImageInfo) -> None:
        """Keep header facts, if the binding still means the bytes they are of."""
        waiting = self._waiting.get(key)
        if waiting is not None:
            if waiting.digest == digest:
                self._waiting[key] = replace(waiting, info=info)
            return
        self._changed(key)
        sql = "UPDATE binding SET info = ? WHERE key = ? AND digest = ?"
        await self._run(self._change, sql, (_ENCODE(info), key, digest))

    async def drop(self, selector: Selector) -> int:
        """Forget what matches; returns how many."""
        where, values = _where(selector)
        self._changed(selector.value if selector.scope is Scope.KEY else None)
        self._write()
        return await self._run(self._change, f"DELETE FROM binding WHERE {where}", values) or 0  # noqa: S608 our text

    async def soften(self, selector: Selector, now: float, stale_s: float) -> int:
        """Let what matches be stale from `now` on, and of use while it is asked for where its origin allows that."""
        where, values = _where(selector)
        values |= {"now": now, "stale_until": now + stale_s}
        self._changed()
        self._write()
        return await self._run(self._change, f"{_SOFTEN} WHERE {where}", values) or 0

    async def close(self) -> None:
        """Finish what is under way and close the file."""
        if not self._closed:
            self._write()
            self._closed = True
            loop = asyncio.get_running_loop()
            await loop.run_in_executor(self._thread, self._db.close)
            self._thread.shutdown()
            await loop.run_in_executor(None, self._filling.shutdown)

    # In the thread

    def _get(self, key: str) -> Binding | None:
        sql = "SELECT value, info, fetched_at, fresh_until, stale_until, error_until FROM binding WHERE key = ?"
        row = self._db.execute(sql, (key,)).fetchone()
        if row is None:
            return None
        value, info, *times = row
        try:
            binding = msgspec.msgpack.decode(value, type=Binding)
            known = msgspec.msgpack.decode(info, type=ImageInfo) if info else None
        except msgspec.MsgspecError:  # written by another version
            return None
        fetched_at, fresh_until, stale_until, error_until = times
        return replace(
            binding,
            info=known,
            fetched_at=fetched_at,
            fresh_until=fresh_until,
            stale_until=stale_until,
            error_until=error_until,
        )

    def _put(self, bindings: Sequence[Binding]) -> None:
        with self._db:
            for start in range(0, len(bindings), _ROWS):
                rows = [_row(binding) for binding in bindings[start : start + _ROWS]]
                marks = ",".join(["(?,?,?,?,?,?,?,?,?,?)"] * len(rows))
                values = [value for row in rows for value in row]
                self._db.execute(f"INSERT OR REPLACE INTO binding VALUES {marks}", values)  # noqa: S608
            self._added += len(bindings)
            if self._added >= min(_PRUNE_EVERY, self._most):
                self._added = 0
                self._prune()
        if self._known.add([binding.key.encode() for binding in bindings]) and not self._closed:
            self._filling.submit(self._guarded, self._learn_keys)

    def _learn_keys(self) -> None:
        with contextlib.closing(_connected(self._path)) as db:
            (count,) = db.execute("SELECT count(*) FROM binding").fetchone()
            self._known.fill(count, self._pages(db))

    def _pages(self, db: sqlite3.Connection) -> Iterator[list[bytes]]:
        after, sql = "", "SELECT key FROM binding WHERE key > ? ORDER BY key LIMIT ?"
        while not self._closed and (rows := db.execute(sql, (after, _PAGE)).fetchall()):
            after = rows[-1][0]
            yield [key.encode() for (key,) in rows]

    def _prune(self) -> None:
        (count,) = self._db.execute("SELECT count(*) FROM binding").fetchone()
        self._db.execute(
            "DELETE FROM binding WHERE key IN (SELECT key FROM binding ORDER BY fetched_at LIMIT ?)",
            (max(0, count - self._most),),
        )

    def _change(self, sql: str, values: Any) -> int:
        with self._db:
            return self._db.execute(sql, values).rowcount

    # Between the two

    def _changed(self, key: str | None = None) -> None:
        """Let memory go of a binding, or of all: what the table will hold now is another."""
        self._changes += 1
        if key is None:
            self._lately.sweep(math.inf)
        else:
            self._lately.forget(key)

    def _write(self) -> None:
        """Have what waits written, before whatever the thread is asked for next."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._closed or not self._waiting:
            return
        batch, self._waiting = self._waiting, {}
        self._writing |= batch

        def written(_: object) -> None:
            for key, binding in batch.items():
                if self._writing.get(key) is binding:
                    del self._writing[key]

        work = asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, self._put, (*batch.values(),))
        work.add_done_callback(written)

    async def _run(self, work: Callable[..., T], *args: Any) -> T | None:
        if self._closed:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guarded, work, *args)

    def _guarded(self, work: Callable[..., T], *args: Any) -> T | None:
        try:
            return work(*args)
        except sqlite3.Error as error:
            self._telemetry.event("bindings_failed", error=f"{type(error).__name__}: {error}")
            return None


def _row(binding: Binding) -> tuple[object, ...]:
    b = binding
    times = (b.fetched_at, b.fresh_until, b.stale_until, b.error_until)
    info = _ENCODE(b.info) if b.info else None
    return (b.key, b.tenant, b.url, b.digest, *times, _ENCODE(replace(b, info=None)), info)


# Where an origin forbids stale use, error_until is fresh_until.
_SOFTEN = """
UPDATE binding SET fetched_at = 0, fresh_until = min(fresh_until, :now), stale_until = CASE
    WHEN error_until > fresh_until THEN max(stale_until, :stale_until) ELSE min(stale_until, :now) END
"""


def _opened(path: Path) -> sqlite3.Connection:
    """Open the database; one that is damaged or of another version gives way to a new one."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with contextlib.suppress(sqlite3.DatabaseError):
        db = _connected(path)
        if db.execute("PRAGMA user_version").fetchone() == (_VERSION,):
            return db
        db.close()
    for suffix in ("", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)
    db = _connected(path)
    db.executescript(_SCHEMA)
    return db


def _connected(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False)
    try:
        # NORMAL: a crash of the machine may lose the latest bindings, which are asked for again; it breaks nothing.
        db.executescript("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;")
    except sqlite3.Error:
        db.close()
        raise
    return db


def _where(selector: Selector) -> tuple[str, dict[str, Any]]:
    """Return a selector as SQL. A tag matches nothing here: tags are of results."""
    values: dict[str, Any] = {"value": selector.value, "tenant": selector.tenant}
    match selector.scope:
        case Scope.KEY:
            where = "key = :value"
        case Scope.SOURCE:
            where = "url = :value"
        case Scope.PREFIX:
            # The second half is exact, the first lets the index find where to begin and end.
            where = "url >= :value AND url < :value || char(0x10FFFF) AND substr(url, 1, length(:value)) = :value"
        case Scope.TAG:
            where = "0"
        case Scope.ALL:
            where = "1"
    return (f"{where} AND tenant = :tenant" if selector.tenant else where), values

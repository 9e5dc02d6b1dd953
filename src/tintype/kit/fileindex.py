"""The index of a file store: one SQLite database that knows every file, whose it is, its checksum and its last use.

A file and its row cannot change in one step. The order of the steps makes every kill harmless:
adding moves files to the next numbers and then commits their rows; a kill in between leaves files under numbers that
are not given out yet, which the next start removes and the next additions overwrite. Removing unlinks the file and then
commits; a kill in between leaves a row without a file, which is a miss and goes when it is asked for or evicted.
So nothing is ever on disk that the index does not know, and no start has to look through the files.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tintype.core.entry import Scope, Selector
from tintype.kit.files import BLOCK, Shelf, on_disk, remove
from tintype.kit.matching import matching
from tintype.kit.rows import SCHEMA, VERSION, Found, Row, insert, tags_of

_LOG = "index-wal"
_FILES = ("index", _LOG, "index-shm")
_MARGIN_PAGES = 8 + 32  # the shared-memory file, and what one addition (of some 32 files) may add
_BATCH = 64  # rows removed in one transaction: a few milliseconds
# Numbers checked for orphans: as many as a power cut can take back, which is what a log of 1,000 pages holds. Those added
# together share pages, half of one for each at the least.
_AHEAD = 2048
_LAST = "SELECT seq FROM sqlite_sequence WHERE name = 'entry'"
_USAGE = f"SELECT bytes, entries, page_count, ({_LAST}) FROM total, pragma_page_count"  # noqa: S608
_IDS = 100_000  # numbers held in memory while a selector is dropped
_PAGE = 1000  # keys read at once: a millisecond or two


class FileIndex:
    """Every method may be called from any thread, and blocks: one writing connection, one reading one per thread."""

    def __init__(self, folder: Path, shelf: Shelf, max_bytes: int) -> None:
        self._folder, self._shelf, self._max_bytes = folder, shelf, max_bytes
        self._log = f"{folder / _LOG}"
        # A small store gets a small write-ahead log, as that counts too.
        self._log_pages = max(32, min(1000, max_bytes // 400 // BLOCK))
        self._lock = threading.RLock()
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._touched: dict[int, int] = {}
        self._pending = 0
        self._tally = threading.Lock()  # of `_pending`: held for no longer than a sum, whatever the disk does
        self._measured: tuple[int, int] | None = None
        self.life = 0
        self._lost = max_bytes if shelf.has_lost() else 0
        self._writer = self._open_or_renew()
        self._remove_orphans()

    def find(self, key: bytes) -> Found | None:
        # The casts keep a damaged row from having other types than it was given.
        sql = "SELECT id, CAST(size AS INTEGER), CAST(checksum AS BLOB), CAST(meta AS BLOB) FROM entry WHERE key = ?"
        row = self._reader().execute(sql, (key,)).fetchone()
        return None if row is None else Found(*row)

    def names(self, stop: Callable[[], bool]) -> Iterator[list[bytes]]:
        """Yield the keys, then the tags, in pages, until told to stop."""
        for column, table in (("key", "entry"), ("tag", "tag")):
            after = b""
            sql = f"SELECT DISTINCT CAST({column} AS BLOB) FROM {table} WHERE {column} > ? ORDER BY {column} LIMIT ?"  # noqa: S608
            while not stop() and (rows := self._reader().execute(sql, (after, _PAGE)).fetchall()):
                names = [name for (name,) in rows]
                after = names[-1]
                yield names

    def count_names(self) -> int:
        """Return how many keys and tags there are, about: a tag counts for each file that it is on."""
        tags: int = self._reader().execute("SELECT count(*) FROM tag").fetchone()[0]
        return self.count() + tags

    def make_room(self, charge: int) -> int | None:
        """Reserve bytes of disk, evicting what was used least recently.

        Returns how many were evicted; None = so much cannot fit now, nothing is reserved.
        """
        with self._lock:
            evicted = 0
            while (lacking := self.used_bytes() + charge - self._max_bytes) > 0:
                if not (gone := self._evict(lacking)):
                    return None
                evicted += gone
            self.account(charge)
            return evicted

    def account(self, delta: int) -> None:
        """Count bytes that are on disk and in no row. Waits for nothing."""
        with self._tally:
            self._pending += delta

    def add(self, files: Sequence[tuple[Row, bytes | str]]) -> None:
        """Move files in, or write them, and make their rows, all or none, replacing those of the same keys.

        After a failure the files are where they were. Two of the same key are one.
        """
        placed: list[tuple[int, bytes | str]] = []
        try:
            with self._writing() as db:
                self._remove(db, self._of_keys(db, [row.key for row, _ in files]))
                first = insert(db, [row for row, _ in files], after=self._last())
                self._flush(db)
                for number, (_, body) in enumerate(files, first):
                    self._shelf.place(body, number)
                    placed.append((number, body))
        except (OSError, sqlite3.Error):
            for number, body in placed:
                self._shelf.take_back(number, body)
            raise

    def forget(self, found: Found) -> bool:
        """Drop one entry whose file is missing or damaged; False = it went meanwhile, all is well."""
        with self._writing() as db:
            sql = "SELECT id, size, tags FROM entry WHERE id = ? AND CAST(checksum AS BLOB) = ?"
            rows = db.execute(sql, (found.id, found.checksum)).fetchall()
            self._remove(db, rows)
        return bool(rows)

    def drop(self, selector: Selector) -> int:
        """Drop what matches and was there when the call began, in short transactions."""
        if selector.scope is Scope.ALL and not selector.tenant:
            return self._clear()
        dropped, after, last = 0, 0, self._last()
        while ids := self._matching(selector, after, last):
            after = ids[-1]
            for start in range(0, len(ids), _BATCH):
                dropped += self._drop_ids(ids[start : start + _BATCH])
        return dropped

    def touch(self, id: int, now: int) -> bool:
        """Note a use; True = enough are noted for a `flush`. Notes beyond that are let go, not kept."""
        touched = self._touched
        if len(touched) < 8 * _BATCH:
            touched[id] = now
        return len(touched) >= 4 * _BATCH

    def flush(self) -> None:
        with self._writing() as db:
            self._flush(db)

    def sweep_lost(self, stop: Callable[[], bool]) -> None:
        """Remove files put out of sight; until they are gone they count."""
        with self._lock:
            counted = self._lost
        if counted and self._shelf.sweep_lost(stop):
            with self._lock:
                self._lost -= counted

    def used_bytes(self) -> int:
        """Return the bytes of disk in use: files, files being written, folders and this index."""
        with self._lock:
            return self._usage()[0] + self._pending + self._lost

    def count(self) -> int:
        """Return how many files there are."""
        with self._lock:
            return self._usage()[1]

    def _usage(self) -> tuple[int, int]:
        """Return the bytes that the files, their folders and this index take, and the number of the files."""
        if self._measured is None:
            total, entries, pages, last = self._writer.execute(_USAGE).fetchone()
            used = total + self._own_bytes(pages) + self._shelf.folders_bytes(last or 0)
            self._measured = used, entries
        return self._measured

    def _own_bytes(self, pages: int) -> int:
        """What the index takes, and will after one more transaction: the log is counted in full from the start."""
        log = max(_size(self._log), self._log_pages * BLOCK)
        return (pages + _MARGIN_PAGES) * BLOCK + log

    def renew(self, life: int) -> None:
        """Start over, empty, after SQLite has said that the index of this `life` is damaged."""
        with self._lock:
            if life == self.life:
                self._writer = self._open_renewed()

    def close(self) -> None:
        with self._lock:
            self._touched.clear()
            for db in self._opened:
                db.close()
            self._opened.clear()
            self._local = threading.local()

    # Opening

    def _open_or_renew(self) -> sqlite3.Connection:
        try:
            return self._open()
        except sqlite3.Error as error:
            if not is_damage(error):
                raise
            return self._open_renewed()

    def _open_renewed(self) -> sqlite3.Connection:
        self.life += 1
        self._measured = None
        # Readers open the new one; `close` closes their old connections, none is in use then.
        self._local = threading.local()
        for name in _FILES:
            remove(self._folder / name)
        return self._open()

    def _open(self) -> sqlite3.Connection:
        db = self._connect()
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, VERSION):
            return self._open_renewed()
        if version == 0:
            self._create(db)
        db.execute("PRAGMA synchronous = NORMAL")  # a power cut may take the last entries; it cannot damage the index
        db.execute(f"PRAGMA wal_autocheckpoint = {self._log_pages}")
        db.execute(f"PRAGMA journal_size_limit = {self._log_pages * BLOCK}")
        db.execute("SELECT entries, bytes FROM total").fetchone()
        return db

    def _create(self, db: sqlite3.Connection) -> None:
        if not self._shelf.is_empty():  # files of an index that was lost: nobody knows them any more
            self._shelf.lose()
            self._lost = self._max_bytes
        db.executescript(SCHEMA)

    def _connect(self) -> sqlite3.Connection:
        db = sqlite3.connect(self._folder / "index", isolation_level=None, check_same_thread=False, timeout=10)
        self._opened.append(db)
        return db

    def _reader(self) -> sqlite3.Connection:
        db: sqlite3.Connection | None = getattr(self._local, "db", None)
        if db is None:
            with self._lock:
                db = self._connect()
                db.execute("PRAGMA query_only = 1")
                self._local.db = db
        return db

    def _remove_orphans(self) -> None:
        last = self._last()
        for number in range(last + 1, last + 1 + _AHEAD):
            self._shelf.remove(number)

    # Writing

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            db = self._writer
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            finally:
                self._measured = None

    def _of_keys(self, db: sqlite3.Connection, keys: Sequence[bytes]) -> list[tuple[int, int, bytes]]:
        marks = ",".join("?" * len(keys))
        return db.execute(f"SELECT id, size, tags FROM entry WHERE key IN ({marks})", keys).fetchall()  # noqa: S608

    def _remove(self, db: sqlite3.Connection, rows: Sequence[tuple[int, int, bytes]]) -> None:
        for number, size, tags in rows:
            self._shelf.remove(number)
            self._touched.pop(number, None)
            db.execute("DELETE FROM entry WHERE id = ?", (number,))
            for tag in tags_of(tags):
                db.execute("DELETE FROM tag WHERE tag = ? AND id = ?", (tag, number))
            db.execute("UPDATE total SET entries = entries - 1, bytes = bytes - ?", (on_disk(size),))

    def _evict(self, wanted: int) -> int:
        """Remove the least recently used entries, about as much as is wanted; returns how many."""
        with self._writing() as db:
            self._flush(db)
            rows = db.execute("SELECT id, size, tags FROM entry ORDER BY used, id LIMIT ?", (_BATCH,)).fetchall()
            chosen, freed = [], 0
            for row in rows:
                if freed >= wanted:
                    break
                chosen.append(row)
                freed += on_disk(row[1])
            self._remove(db, chosen)
        self._shrink()
        return len(chosen)

    def _shrink(self) -> None:
        """Give pages back once a quarter of the index is empty, a little at a time."""
        free = self._writer.execute("PRAGMA freelist_count").fetchone()[0]
        if free * 4 > self._writer.execute("PRAGMA page_count").fetchone()[0]:
            self._writer.executescript(f"PRAGMA incremental_vacuum({_BATCH})")  # `execute` would stop after one page
            self._measured = None

    def _flush(self, db: sqlite3.Connection) -> None:
        uses, self._touched = self._touched, {}
        if uses:
            db.executemany("UPDATE entry SET used = ? WHERE id = ?", [(now, id_) for id_, now in list(uses.items())])

    # Dropping

    def _clear(self) -> int:
        with self._writing() as db:
            entries, size = db.execute("SELECT entries, bytes FROM total").fetchone()
            for table in ("entry", "tag"):
                db.execute(f"DELETE FROM {table}")  # noqa: S608 two fixed names
            db.execute("UPDATE total SET entries = 0, bytes = 0")
            self._touched.clear()
            self._lost += size
            self._shelf.lose()
        return int(entries)

    def _drop_ids(self, ids: Sequence[int]) -> int:
        marks = ",".join("?" * len(ids))
        with self._writing() as db:
            rows = db.execute(f"SELECT id, size, tags FROM entry WHERE id IN ({marks})", ids).fetchall()  # noqa: S608
            self._remove(db, rows)
        return len(rows)

    def _matching(self, selector: Selector, after: int, last: int) -> list[int]:
        where, values = matching(selector)
        sql = f"SELECT entry.id FROM entry {where} AND entry.id > ? AND entry.id <= ? ORDER BY entry.id LIMIT ?"  # noqa: S608
        return [number for (number,) in self._reader().execute(sql, (*values, after, last, _IDS))]

    def _last(self) -> int:
        row = self._writer.execute(_LAST).fetchone()
        return row[0] if row else 0


def is_damage(error: sqlite3.Error) -> bool:
    """Tell whether the index itself is broken, and not just the disk full or slow."""
    return (getattr(error, "sqlite_errorcode", 0) & 0xFF) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _size(file: str) -> int:
    try:
        return os.stat(file).st_size  # noqa: PTH116
    except FileNotFoundError:
        return 0

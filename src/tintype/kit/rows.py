"""The rows of a file store's index: their tables, what is known of a file, and many added by few statements."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from tintype.kit.files import on_disk

VERSION = 2  # another one is given up, with the files it knows
SCHEMA = """
PRAGMA auto_vacuum = INCREMENTAL;
PRAGMA journal_mode = WAL;
BEGIN;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY AUTOINCREMENT,  -- never given twice: a late reader cannot meet another's file
    key BLOB NOT NULL UNIQUE, tenant BLOB NOT NULL, source BLOB NOT NULL, tags BLOB NOT NULL,
    size INTEGER NOT NULL, checksum BLOB NOT NULL, used INTEGER NOT NULL, meta BLOB NOT NULL
);
CREATE INDEX entry_source ON entry (source);
CREATE INDEX entry_used ON entry (used);
CREATE TABLE tag (tag BLOB NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (tag, id)) WITHOUT ROWID;
CREATE TABLE total (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);  -- so that a start need not count
INSERT INTO total VALUES (0, 0);
PRAGMA user_version = 2;
COMMIT;
"""
_ROWS = 64  # added by one statement: of at most 15 columns, as SQLite once took 999 values
_TAGS, _READ_TAGS = msgspec.msgpack.Encoder(), msgspec.msgpack.Decoder(tuple[bytes, ...])


class Row(msgspec.Struct, frozen=True):
    """What is known of one file. `used` is in Unix seconds."""

    key: bytes
    tenant: bytes
    source: bytes
    tags: tuple[bytes, ...]
    size: int
    checksum: bytes
    used: int
    meta: bytes


class Found(msgspec.Struct, frozen=True):
    """The part of a row that reading its file takes."""

    id: int
    size: int
    checksum: bytes
    meta: bytes


def tags_of(row: bytes) -> tuple[bytes, ...]:
    """Return tags as a row has them."""
    return _READ_TAGS.decode(row)


def insert(db: sqlite3.Connection, rows: Sequence[Row], *, after: int) -> int:
    """Insert rows, numbered from the one after the last; returns the number of the first."""
    first = after + 1
    entries = [
        (number, row.key, row.tenant, row.source, _TAGS.encode(row.tags), row.size, row.checksum, row.used, row.meta)
        for number, row in enumerate(rows, first)
    ]
    _insert_all(db, "INTO entry (id, key, tenant, source, tags, size, checksum, used, meta)", entries)
    tags = [(tag, number) for number, row in enumerate(rows, first) for tag in row.tags]
    _insert_all(db, "OR IGNORE INTO tag", tags)
    added = len(rows), sum(on_disk(row.size) for row in rows)
    db.execute("UPDATE total SET entries = entries + ?, bytes = bytes + ?", added)
    return first


def _insert_all(db: sqlite3.Connection, into: str, rows: Sequence[Sequence[object]]) -> None:
    """Insert rows by few statements: around each this thread lets go of the interpreter, and then waits for it again."""
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        marks = ",".join([f"({','.join('?' * len(some[0]))})"] * len(some))
        db.execute(f"INSERT {into} VALUES {marks}", [value for row in some for value in row])  # noqa: S608

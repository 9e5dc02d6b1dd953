"""Selectors as SQL over the index of a file store."""

from __future__ import annotations

from tintype.core.entry import ANY, SOURCE_TAG, Scope, Selector

_ANY = ANY.encode()


def matching(selector: Selector) -> tuple[str, tuple[bytes, ...]]:
    """Return a selector as SQL that uses an index, and its values."""
    value, also = as_bytes(selector.value), as_bytes(SOURCE_TAG + selector.value)
    values: tuple[bytes, ...]
    scope = Scope.ALL if selector.scope is Scope.PREFIX and not value else selector.scope
    match scope:
        case Scope.KEY:
            where, values = "WHERE key = ?", (value,)
        case Scope.SOURCE:
            where, values = _either("source = ?", "tag IN (?, ?)"), (value, also, _ANY)
        case Scope.PREFIX:
            # The bytes after all that start so: UTF-8 has no byte 255, so the last one can always be raised.
            where = _either("source >= ? AND source < ?", "tag >= ? AND tag < ? OR tag = ?")
            values = (value, _after(value), also, _after(also), _ANY)
        case Scope.TAG:
            where, values = "WHERE entry.id IN (SELECT id FROM tag WHERE tag IN (?, ?))", (value, _ANY)
        case Scope.ALL:
            where, values = "WHERE 1", ()
    if selector.tenant:
        return where + " AND tenant = ?", (*values, as_bytes(selector.tenant))
    return where, values


def _either(source: str, tag: str) -> str:
    """Match by source or by tag; as one list of numbers, for which SQLite uses both indexes."""
    return f"WHERE entry.id IN (SELECT id FROM entry WHERE {source} UNION SELECT id FROM tag WHERE {tag})"  # noqa: S608


def _after(prefix: bytes) -> bytes:
    return prefix[:-1] + bytes([prefix[-1] + 1])


def as_bytes(text: str) -> bytes:
    """Any string, also one with the lone surrogates of an undecodable URL, in an order that keeps prefixes together."""
    return text.encode("utf-8", "surrogatepass")

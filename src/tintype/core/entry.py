"""What a result cache holds: a body and the facts needed to answer from it, without asking anyone."""

from __future__ import annotations

from enum import StrEnum

from tintype.core.formats import Format
from tintype.core.values import Value


class EntryFacts(Value, frozen=True):
    """Everything about a cached result but its bytes. Times are Unix seconds."""

    tenant: str
    source: str  # canonical source URL
    digest: str  # SHA-256 of the source
    format: Format
    width: int
    height: int
    source_width: int
    source_height: int
    source_bytes: int
    frames: int = 1
    epoch: int = 0
    created_at: float = 0.0
    tags: tuple[str, ...] = ()


class Entry(Value, frozen=True):
    """A result: facts and bytes."""

    facts: EntryFacts
    body: bytes


class Scope(StrEnum):
    """What a purge drops."""

    KEY = "key"  # one result (the key of an exact URL)
    SOURCE = "source"  # every result of one source URL, and the source
    PREFIX = "prefix"  # of every source URL that starts so
    TAG = "tag"
    ALL = "all"


class Selector(Value, frozen=True):
    """Which entries a purge is about. `tenant` "" means every tenant; `value` is empty for ALL."""

    scope: Scope
    value: str = ""
    tenant: str = ""

    def matches(self, tenant: str, key: str, source: str, tags: tuple[str, ...]) -> bool:
        if self.tenant not in ("", tenant):
            return False
        match self.scope:
            case Scope.KEY:
                return key == self.value
            case Scope.SOURCE:
                return source == self.value
            case Scope.PREFIX:
                return source.startswith(self.value)
            case Scope.TAG:
                return self.value in tags
            case Scope.ALL:
                return True

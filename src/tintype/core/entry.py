"""What a result cache holds: a body and the facts needed to answer from it, without asking anyone."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import msgspec

from tintype.core.formats import Format
from tintype.core.values import Value

# Tags of our own; those in URLs have neither * nor :.
SOURCE_TAG = "source:"  # before the URL of a further source with the same bytes
ANY = "*"  # of a result with so many names that it goes with every purge by source or tag of its tenant

# Names kept with a result, as each new one has it written again: enough for all the URLs of most results, and few enough
# for a placeholder that a million sources share.
MOST_TAGS = 256


class EntryFacts(Value, frozen=True):
    """Everything about a cached result but its bytes. Times are Unix seconds.

    `source` and `tags` are those of the URL that had it made, and, as tags, those of every other URL it answered since.
    `after`: the latest purge that had been carried out where it was made, before it was begun (by `PurgeLog.heard`).
    """

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
    after: float = 0.0


class Entry(Value, frozen=True):
    """A result: facts and bytes."""

    facts: EntryFacts
    body: bytes


class Names(Value, frozen=True):
    """What purges can call the result of one URL by: its canonical source, and its tags, one of which is the URL's own."""

    source: str
    tags: tuple[str, ...] = ()


def knows(facts: EntryFacts, names: Names) -> bool:
    """Tell whether a purge by any of these names finds an entry; its source goes with the URL's own tag."""
    return ANY in facts.tags or all(tag in facts.tags for tag in names.tags)


def with_names(facts: EntryFacts, names: Names) -> EntryFacts:
    """Return an entry's facts with further names."""
    also = () if names.source == facts.source else (SOURCE_TAG + names.source,)
    tags = tuple(dict.fromkeys((*facts.tags, *names.tags, *also)))
    return msgspec.structs.replace(facts, tags=tags if len(tags) <= MOST_TAGS else (ANY,))


def sources_of(source: str, tags: Iterable[str]) -> list[str]:
    """Return all the sources an entry goes by."""
    return [source, *(tag.removeprefix(SOURCE_TAG) for tag in tags if tag.startswith(SOURCE_TAG))]


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
                return source == self.value or SOURCE_TAG + self.value in tags or ANY in tags
            case Scope.PREFIX:
                return any(one.startswith(self.value) for one in sources_of(source, tags)) or ANY in tags
            case Scope.TAG:
                return self.value in tags or ANY in tags
            case Scope.ALL:
                return True

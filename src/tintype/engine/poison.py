"""Which sources and plans are refused for a while because rendering them crashed. Pure: `now` is an argument.

Only crashes and used-up CPU time are reported here; a deadline that passed under load says nothing about an image.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TypeAlias

# Tenant, digest of the source, key of the plans (or "probe").
Suspect: TypeAlias = tuple[str, str, str]

# Suspects remembered; the one that crashed longest ago is forgotten first.
_MOST = 10_000


@dataclass(frozen=True, slots=True)
class _Record:
    crashes: int
    until: float


class PoisonLedger:
    """Crashes by suspect. A record counts until `poison_s` after its last crash."""

    def __init__(self, crashes: int, poison_s: float, most: int = _MOST) -> None:
        self._crashes, self._poison_s, self._most = crashes, poison_s, most
        self._records: OrderedDict[Suspect, _Record] = OrderedDict()

    def __bool__(self) -> bool:
        """Whether anything is remembered at all; nothing needs a key computed if not."""
        return bool(self._records)

    def __len__(self) -> int:
        return len(self._records)

    def size(self, now: float) -> int:
        """Return how many are remembered, without those whose time is over."""
        self._forget(now)
        return len(self._records)

    def crashed(self, suspect: Suspect, now: float) -> int:
        """Count a crash; returns how many it has now."""
        count = self._count(suspect, now) + 1
        self._records[suspect] = _Record(count, now + self._poison_s)
        self._records.move_to_end(suspect)
        self._forget(now)
        return count

    def refused_s(self, suspect: Suspect, now: float) -> float:
        """Return for how many more seconds a suspect is refused; 0 = it is not."""
        if self._count(suspect, now) < self._crashes:
            return 0.0
        return self._records[suspect].until - now

    def _count(self, suspect: Suspect, now: float) -> int:
        record = self._records.get(suspect)
        return record.crashes if record is not None and record.until > now else 0

    def _forget(self, now: float) -> None:
        """Drop what has expired, oldest first, and what is too much."""
        while self._records:
            oldest = next(iter(self._records))
            if len(self._records) <= self._most and self._records[oldest].until > now:
                return
            del self._records[oldest]

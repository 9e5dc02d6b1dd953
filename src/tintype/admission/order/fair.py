"""Fair shares: start-time fair queueing (Goyal, Vin and Cheng, 1996) over names.

Each name has a tag: the virtual time at which its next piece of work would begin if every name had its share to itself.
Whose tag is least is next, and its tag grows by what its work costs, divided by its weight. A name that had nothing to do
does not save up: its tag is never behind the virtual time, which is the tag of whoever was served last.
"""

from __future__ import annotations

from collections.abc import Iterable

# Names remembered. One that is forgotten loses at most what it has had beyond its share lately.
_MOST = 10_000


class Fair:
    """Shares among names. The work of a name that waits for long is bounded by that of the others, by weight."""

    def __init__(self) -> None:
        self._tags: dict[str, float] = {}
        self._virtual = 0.0

    def first(self, names: Iterable[str]) -> str:
        """Return the name whose turn it is; of equal ones the first. There must be one."""
        return min(names, key=self._tag)

    def served(self, name: str, cost: float, weight: float) -> None:
        """Charge a name for work that begins."""
        self._virtual = max(self._tags.get(name, 0.0), self._virtual)
        self._tags[name] = self._virtual + cost / weight
        if len(self._tags) > _MOST:
            self._forget()

    def owes(self, name: str, cost: float, most: float) -> None:
        """Charge a name for what it costs beside its work, whatever its weight: it owes at most so much."""
        tag = self._tag(name)
        self._tags[name] = max(tag, min(self._virtual + most, tag + cost))
        if len(self._tags) > _MOST:
            self._forget()

    def _forget(self) -> None:
        behind = {one: tag for one, tag in self._tags.items() if tag > self._virtual}
        self._tags = behind if len(behind) <= _MOST else {}

    def _tag(self, name: str) -> float:
        return max(self._tags.get(name, 0.0), self._virtual)

"""How much an SVG draws by reference: a few `use` elements can show each other billions of times."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

# What `use` may add to a document's own elements. A renderer takes some 10 us for each, so that this is a second.
MAX_ADDED = 100_000

_PLENTY = 10**9  # where counting ends: a document could make numbers of a million digits


@dataclass(slots=True)
class _Part:
    """An element with an id and what is drawn with it: its elements without one, and parts it holds or refers to."""

    elements: int = 0
    shows: Counter[str] = field(default_factory=Counter)


class Uses:
    """Is told of every element as it begins and ends; then says how many are drawn by reference."""

    def __init__(self) -> None:
        self._parts: dict[str, _Part] = {"": _Part()}
        self._open: list[str] = [""]  # the part that each open element belongs to
        self._targets: Counter[str] = Counter()

    def start(self, local: str, id: str | None, reference: str | None) -> None:
        """Note an element: its name, its id if it has one, and its href."""
        part = self._open[-1]
        if id is not None and id not in self._parts:
            self._parts[part].shows[id] += 1
            self._parts[id] = _Part()
            part = id
        self._open.append(part)
        self._parts[part].elements += 1
        if local == "use" and reference and reference.strip().startswith("#"):
            target = reference.strip()[1:]
            self._parts[part].shows[target] += 1
            self._targets[target] += 1

    def end(self) -> None:
        self._open.pop()

    def added(self) -> int:
        """Return how many elements are drawn on top of those that are written. What shows itself is not drawn again."""
        return self._drawn() - sum(part.elements for part in self._parts.values()) if self._targets else 0

    def _drawn(self) -> int:
        """Count by depth first search, each part once: what it holds is counted before it is."""
        counts: dict[str, int] = {}
        under_way: set[str] = set()
        waiting = [""]
        while waiting:
            name = waiting[-1]
            part = self._parts.get(name)
            if part is None or name in counts:
                counts.setdefault(name, 0)
                waiting.pop()
            elif name in under_way:
                drawn = part.elements + sum(counts.get(one, 0) * times for one, times in part.shows.items())
                counts[name] = min(drawn, _PLENTY)
                waiting.pop()
            else:
                under_way.add(name)
                waiting += [one for one in part.shows if one not in under_way]
        return counts[""]

"""A line before a host: who stands in it, whose turn it is, and who has to leave one that is full."""

from __future__ import annotations

from collections import defaultdict, deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from tintype.admission.asker import Asker, Whose
from tintype.admission.order.turns import Turns, shared

T = TypeVar("T")

# When a client's first has waited for so long, its last goes first: some are answered soon, rather than all late. Seconds.
_LONG_S = 1.0


@dataclass(slots=True, eq=False)
class Waiting(Generic[T]):
    """One that waits, and since when."""

    item: T
    asker: Asker
    since: float


class Line(Generic[T]):
    """At most `most` wait, in fair shares as those before workers do. Shares last until nobody waits."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._groups: dict[Whose, deque[Waiting[T]]] = {}
        self._turns = Turns()

    def __len__(self) -> int:
        return sum(map(len, self._groups.values()))

    def ahead(self, asker: Asker) -> float:
        """Return how many would come before one more of an asker."""
        ahead = [(whose, group) for whose, group in self._groups.items() if whose.lane <= asker.lane]
        weights = {whose.tenant: group[-1].asker.weight for whose, group in ahead}
        own = 1.0 + sum(len(group) for whose, group in ahead if whose[1:] == asker.whose[1:])
        return shared(((whose, len(group)) for whose, group in ahead), weights, asker, own) - 1.0

    def join(self, one: Waiting[T]) -> Waiting[T] | None:
        """Take one in; returns who has to leave for it, if there is no room for one more, which may be itself."""
        self._groups.setdefault(one.asker.whose, deque()).append(one)
        if len(self) <= self._most:
            return None
        last = self._last(one)
        self.leave(last)
        return last

    def leave(self, one: Waiting[T]) -> bool:
        """Take one out; returns whether it was there."""
        group = self._groups.get(one.asker.whose)
        if group is None or one not in group:
            return False
        group.remove(one)
        if not group:
            del self._groups[one.asker.whose]
        if not self._groups:
            self._turns = Turns()
        return True

    def first(self) -> Whose:
        """Return whose turn it is. Somebody must wait."""
        return self._turns.first(self._groups)

    def next(self, now: float, cost_s: float) -> Waiting[T]:
        """Take out whose turn it is, and charge them for it. Somebody must wait."""
        group = self._groups[self.first()]
        one = group[-1 if now - group[0].since > _LONG_S else 0]
        self._turns.served(one.asker, cost_s)
        self.leave(one)
        return one

    def clear(self) -> list[Waiting[T]]:
        """Take all out."""
        waiting = [one for group in self._groups.values() for one in group]
        self._groups, self._turns = {}, Turns()
        return waiting

    def _last(self, new: Waiting[T]) -> Waiting[T]:
        """Return the newest of the client that wants most, of the tenant that wants most for its share, in the lowest lane."""
        lane = max(whose.lane for whose in self._groups)
        low = {whose: group for whose, group in self._groups.items() if whose.lane is lane}
        wanted: defaultdict[str, float] = defaultdict(float)
        for whose, group in low.items():
            wanted[whose.tenant] += len(group) / group[-1].asker.weight
        most = max(wanted, key=lambda tenant: (wanted[tenant], tenant == new.asker.tenant))
        groups = [group for whose, group in low.items() if whose.tenant == most]
        return max(groups, key=lambda group: (len(group), group[-1] is new))[-1]

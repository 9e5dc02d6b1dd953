"""Top: which names cost most lately, in bounded memory: the space-saving algorithm over costs that fade.

Metwally, Agrawal, El Abbadi: Efficient Computation of Frequent and Top-k Elements in Data Streams (ICDT 2005). Fading is
forward decay (Cormode et al., 2009): what is added later weighs more, so that nothing kept has to be touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")

# Doublings after which all weights are scaled down: a float has room for some thousand.
_DOUBLINGS = 500.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a name has cost lately; at most `over` of it may be others', who were forgotten for it."""

    amount: float
    over: float = 0.0


class Top(Generic[T]):
    """Keeps `most` names. One that caused more than a share of 1/`most` of all costs is among them.

    What was added counts half after `half_life_s`.
    """

    def __init__(self, most: int = 200, half_life_s: float = 600.0) -> None:
        self.half_life_s = half_life_s
        self._most = most
        self._costs: dict[T, Cost] = {}
        self._since = 0.0

    def __len__(self) -> int:
        return len(self._costs)

    def add(self, name: T, amount: float, now: float) -> None:
        """Add to what a name has cost."""
        if (now - self._since) / self.half_life_s > _DOUBLINGS:
            weight = self._weight(now)
            self._costs = {name: _scaled(cost, 1 / weight) for name, cost in self._costs.items()}
            self._since = now
        before = self._costs.get(name)
        if before is None:
            floor = self._made_room()
            before = Cost(floor, floor)
        self._costs[name] = Cost(before.amount + amount * self._weight(now), before.over)

    def first(self, most: int, now: float) -> list[tuple[T, Cost]]:
        """Return the names that cost most, the dearest first."""
        dearest = sorted(self._costs.items(), key=lambda item: -item[1].amount)[:most]
        return [(name, _scaled(cost, 1 / self._weight(now))) for name, cost in dearest]

    def _made_room(self) -> float:
        """Forget the cheapest name if there is no room; returns what it may have cost."""
        if len(self._costs) < self._most:
            return 0.0
        cheapest = min(self._costs, key=lambda name: self._costs[name].amount)
        return self._costs.pop(cheapest).amount

    def _weight(self, now: float) -> float:
        doublings: float = (now - self._since) / self.half_life_s
        return float(2.0 ** min(doublings, 2 * _DOUBLINGS))


def _scaled(cost: Cost, by: float) -> Cost:
    return Cost(cost.amount * by, cost.over * by)

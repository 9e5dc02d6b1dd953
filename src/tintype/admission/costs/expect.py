"""Expectation: how long work will really take: as predicted, corrected by how wrong such predictions were lately."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from statistics import median_low
from typing import TypeAlias

from tintype.admission.costs.likely import Likely
from tintype.admission.remembered import remember
from tintype.core.plan import Plan

# What mispredictions have in common: a source's format and the class of its size, for one.
Kind: TypeAlias = tuple[str, int]

# Parts of a new measurement in the mean: of its kind, and of all. The mean follows a machine that slows down to a half
# within some 20 pieces of work.
_OWN, _ALL = 0.1, 0.05
# A correction beyond this is a defect of the table, or an attack on it.
_LEAST, _MOST = 0.125, 16.0
_LAST = 8  # kinds that tell how slow the machine is
_FETCH_S = 0.05  # of a host that nothing was fetched from yet


class Expectation:
    """Corrects predictions. `likely`: of work that cannot be predicted yet; `first_ms`: before any was measured."""

    def __init__(self, first_ms: float) -> None:
        self.likely = Likely(first_ms)
        self._all = 1.0
        self._kinds: dict[Kind, float] = {}
        self._hosts: dict[str, float] = {}

    def of(self, kind: Kind, predicted_ms: float) -> float:
        """Return milliseconds of a worker that work will take."""
        return predicted_ms * self._kinds.get(kind, self._all)

    @property
    def slowness(self) -> float:
        """How many times as long as predicted work takes, at least 1: of a slow machine, which no kind is mispredicted for.

        It is the median of the kinds that were done last.
        """
        last = list(islice(reversed(self._kinds.values()), _LAST))
        return max(1.0, median_low(last)) if last else 1.0

    def learn(self, kind: Kind, predicted_ms: float, took_ms: float) -> None:
        """Note how long a worker had work that was predicted to take so long."""
        if predicted_ms <= 0:
            return
        ratio = min(_MOST, max(_LEAST, took_ms / predicted_ms))
        before = self._kinds.get(kind, self._all)
        self._all += _ALL * (ratio - self._all)
        remember(self._kinds, kind, before + _OWN * (ratio - before))

    def fetch_s(self, host: str) -> float:
        """Return how long a fetch from a host will take."""
        return self._hosts.get(host, _FETCH_S)

    def learn_fetch(self, host: str, took_s: float) -> None:
        """Note how long a fetch took."""
        before = self.fetch_s(host)
        remember(self._hosts, host, before + _OWN * (took_s - before))


def kind_of(plans: Sequence[Plan]) -> Kind:
    """Return what mispredictions of plans have in common: the source's format, and the class of what they cost."""
    return plans[0].load.format.value, int(sum(plan.cost.cpu_ms for plan in plans)).bit_length()

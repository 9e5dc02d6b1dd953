"""Waits: how much longer than predicted work waited for a worker lately, as what came after it went first."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from tintype.admission.asker import Whose
from tintype.admission.remembered import remember

# The part of a new one in the means; what is predicted to wait for less tells nothing; a factor beyond this is no error of a
# prediction; longest time that one counts. The means begin as if there had been one that was right. Seconds but for the factor.
_PART, _LEAST_S, _MOST, _LATELY_S = 0.05, 0.1, 4.0, 5.0
_FIRST_S = 0.2


# Whose work, and whether it is heavy: that waits behind the rest, or in turn with it.
Kind: TypeAlias = tuple[Whose, bool]


class _Means(NamedTuple):
    took_s: float
    predicted_s: float
    until: float


class Waits:
    """Factors. Who wants more than its share is overtaken by all that comes after; others are not."""

    def __init__(self) -> None:
        self._lately: dict[Kind, _Means] = {}

    def factor(self, kind: Kind, now: float) -> float:
        """Return how many times as long as predicted such work waits, at least 1."""
        lately = self._lately.get(kind)
        if lately is None or now >= lately.until:
            return 1.0
        return min(_MOST, max(1.0, lately.took_s / lately.predicted_s))

    def learn(self, kind: Kind, predicted_s: float, took_s: float, now: float) -> None:
        """Note how long such work has waited that was predicted to wait for so long."""
        if predicted_s < _LEAST_S:
            return
        before = self._lately.get(kind)
        if before is None or now >= before.until:
            before = _Means(_FIRST_S, _FIRST_S, now)
        took_s = before.took_s + _PART * (took_s - before.took_s)
        predicted_s = before.predicted_s + _PART * (predicted_s - before.predicted_s)
        remember(self._lately, kind, _Means(took_s, predicted_s, now + _LATELY_S))

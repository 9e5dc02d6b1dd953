"""The scales: how long work would wait for a worker, and whether that is too long."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.admission.asker import Asker, Lane
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.crowds import Crowds
from tintype.admission.weighing.waits import Kind, Waits


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why work was not let in: what it would have waited, and what it may wait, in seconds; or `full`: there is no room.

    `late_s`: it would not wait too long, but be done so long after its client's deadline.
    """

    wait_s: float
    patience_s: float
    full: bool
    late_s: float = 0.0

    @property
    def late(self) -> bool:
        return self.late_s > 0 and not self.full


@dataclass(frozen=True, slots=True)
class Patience:
    """The longest wait for a worker that is let in, in seconds.

    Attributes:
        crowd_s: while more is asked for than there are workers for.
        burst_s: at the beginning of that, for as long: until then it may be a page full of images.
    """

    crowd_s: float
    burst_s: float


# What was let in before its fetch may wait this much longer after it. Where fetches take as long as renders wait, they end in
# bunches: with 1.25, of what was fetched at ten times the capacity more than half was refused.
_INVESTED = 2.5
# Of its patience, what is left for a worker after a fetch however long that takes.
_AFTER_FETCH = 0.25
# A browser asks for so many images of a host at once (HTTP/1.1): that many are not too many, however long each takes.
AT_ONCE = 6
# Bursts further apart are two of them. Seconds.
_CALM_S = 2.0
# Who waits for more than this part of what a crowd may wait is pressed.
_PRESSED = 0.5


class Scales:
    """Weighs new work against a backlog; asked by one thread at a time. `most`: how much may be in the backlog."""

    def __init__(self, backlog: Backlog, patience: Patience, *, most: int) -> None:
        self._backlog, self._patience, self._most = backlog, patience, most
        self._crowds, self._pressed = Crowds(_CALM_S), Crowds(_CALM_S)
        self._waits = Waits()

    def weigh(
        self, asker: Asker, ms: float, now: float, *, after_s: float = 0.0, waited_s: float = 0.0, fetched: bool = False
    ) -> float | Refusal:
        """Say how long work of so many milliseconds would wait for a worker (seconds), or why it would not be let in.

        What is let in has a worker soon enough, and unless one is free at once or the deadline is firm, can be done by its
        deadline. `after_s`: its fetch is expected to take so long; what is ahead of it is worked off meanwhile. `waited_s`: it
        has waited so long for something else, which where there is no worker free at once is a part of its wait.
        """
        ahead = self._backlog.wait(asker, ms, fetched=fetched)
        ahead_s = ahead.s * self._factor(asker, ms, now)
        wait_s = max(0.0, ahead_s + waited_s - after_s) if ahead_s else 0.0
        left_s = asker.deadline - now - after_s - (ms / 1000 if wait_s or asker.firm else 0.0)
        # What is dear waits no longer among cheap work than so much of that does.
        at_once_s = AT_ONCE * ahead.usual_ms / self._backlog.rules.workers / 1000
        patience_s = max(self._patience_s(asker, wait_s, after_s, now), at_once_s)
        patience_s *= _INVESTED if asker.invested else 1.0
        full = len(self._backlog) >= self._most
        if full or wait_s > min(patience_s, left_s):
            allowed_s = patience_s if wait_s > patience_s else min(patience_s, left_s)
            late_s = wait_s - left_s if asker.firm and wait_s <= patience_s else 0.0
            return Refusal(wait_s, max(0.0, allowed_s), full, late_s)
        return wait_s

    def wait_s(self, asker: Asker, ms: float, now: float, *, fetched: bool) -> float:
        """Predict how long new work would wait for a worker, in seconds."""
        return self._backlog.wait(asker, ms, fetched=fetched).s * self._factor(asker, ms, now)

    def presses(self, asker: Asker, ms: float, now: float) -> bool:
        """Tell whether more has been asked for than there is, for so long that it is no page full of images any more."""
        return (
            self.wait_s(asker, ms, now, fetched=False) > _PRESSED * self._patience.crowd_s
            and self._pressed.lasts_s(asker.tenant, now) > self._patience.burst_s
        )

    def uncorrected(self, asker: Asker, ms: float, wait_s: float, now: float) -> float:
        """Return what a wait was predicted as before it was corrected by how much longer such work waited lately."""
        return wait_s / self._factor(asker, ms, now)

    def began(self, ticket: Charge, now: float) -> None:
        """Learn from a ticket for a render that a worker begins."""
        self._waits.learn(self._kind(ticket.asker, ticket.ms), ticket.wait_s, now - ticket.since, now)

    def _factor(self, asker: Asker, ms: float, now: float) -> float:
        return self._waits.factor(self._kind(asker, ms), now)

    def _kind(self, asker: Asker, ms: float) -> Kind:
        return asker.whose, self._backlog.heavy(ms)

    def _patience_s(self, asker: Asker, wait_s: float, after_s: float, now: float) -> float:
        crowd_s = _after_fetch(self._patience.crowd_s, after_s)
        if wait_s <= crowd_s or asker.lane is not Lane.INTERACTIVE:
            return crowd_s  # a page full of images is what somebody looks at
        new = self._crowds.lasts_s(asker.tenant, now) <= self._patience.burst_s
        return _after_fetch(self._patience.burst_s, after_s) if new else crowd_s


def _after_fetch(patience_s: float, fetch_s: float) -> float:
    """Return how long a worker may be waited for after a fetch, which is a part of the wait."""
    return max(patience_s - fetch_s, patience_s * _AFTER_FETCH)

"""Handed on: work that was found to fit before it is weighed for itself, charged until then: a burst comes faster than that."""

from __future__ import annotations

from collections import deque

from tintype.admission.asker import Asker
from tintype.admission.backlog import Backlog, Charge

# What is not weighed by then has been found in a cache, has joined other work, or has failed. Seconds.
_LASTS_S = 0.5


class Handed:
    """Charges to a backlog for what is handed on, in the order that it came in."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._charges: deque[tuple[float, Charge]] = deque()

    def add(self, asker: Asker, ms: float, now: float, *, fetched: bool) -> None:
        """Charge work until it comes to be weighed, for half a second at most."""
        self._charges.append((now + _LASTS_S, self._backlog.add(asker, ms, fetched=fetched)))

    def came(self, asker: Asker, now: float, *, fetched: bool) -> bool:
        """Take off the charge for what its client handed on first, in this lane: it is weighed for itself now. Was there one?"""
        self.forget(now)
        whose = asker.whose
        for each in self._charges:
            if each[1].fetched is fetched and each[1].asker.whose == whose:
                self._charges.remove(each)
                self._backlog.take_off(each[1])
                return True
        return False

    def forget(self, now: float) -> None:
        """Take off what did not come."""
        while self._charges and self._charges[0][0] <= now:
            self._backlog.take_off(self._charges.popleft()[1])

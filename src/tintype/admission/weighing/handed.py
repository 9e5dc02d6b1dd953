"""Handed on: sources that were found to fit and come to be weighed again, charged until then, as a burst comes faster."""

from __future__ import annotations

from tintype.admission.weighing.backlog import Backlog, Charge

_LASTS_S = 0.5  # what is not weighed by then waits for something else


class Handed:
    """Charges to a backlog for what is to be fetched or has been, one for each source, in the order in which they came."""

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._charges: dict[str, tuple[float, Charge]] = {}

    def __contains__(self, source: str) -> bool:
        """Tell whether a source is charged for, so that who wants it too will join its fetch."""
        return source in self._charges

    def add(self, source: str, charge: Charge, now: float) -> None:
        """Keep a charge until its source comes to be weighed, for half a second at most."""
        self.take_off(source)
        self._charges[source] = now + _LASTS_S, charge

    def take_off(self, source: str) -> bool:
        """Take a charge off, as its source is weighed now, or will not be. Was there one?"""
        found = self._charges.pop(source, None)
        if found is not None:
            self._backlog.take_off(found[1])
        return found is not None

    def forget(self, now: float) -> None:
        """Take off what did not come."""
        while self._charges:
            source, (until, _) = next(iter(self._charges.items()))
            if until > now:
                return
            self.take_off(source)

"""Handed on: what was found to fit and comes to be weighed again, charged until then, as a burst comes faster."""

from __future__ import annotations

from typing import TypeAlias

from tintype.admission.asker import Asker
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.core.pipeline import Pipeline

# A tenant's source that is to be fetched; or, where the source is there, what is to be made of it.
_Wanted: TypeAlias = tuple[str, str | Pipeline | None]

_LASTS_S = 0.5  # what is not weighed by then waits for something else


class Handed:
    """Charges to a backlog, one for each source that is to be fetched or has been, and for each result of one that was there.

    They are in the order in which they came.
    """

    def __init__(self, backlog: Backlog) -> None:
        self._backlog = backlog
        self._charges: dict[_Wanted, tuple[float, Charge]] = {}

    def has(self, asker: Asker, *, fetched: bool) -> bool:
        """Tell whether what is wanted is charged for, so that who wants it too will join its fetch, or its render."""
        return _wanted(asker, fetched=fetched) in self._charges

    def add(self, charge: Charge, now: float) -> None:
        """Keep a charge until what it is for comes to be weighed, for half a second at most."""
        wanted = _wanted(charge.asker, fetched=charge.fetched)
        self._end(wanted)
        self._charges[wanted] = now + _LASTS_S, charge

    def take_off(self, asker: Asker) -> bool:
        """Take off what is charged for an asker's source and result: it is weighed now, or will not be. Was there any?"""
        ended = [self._end(_wanted(asker, fetched=fetched)) for fetched in (False, True)]
        return any(ended)

    def forget(self, now: float) -> None:
        """Take off what did not come."""
        while self._charges:
            wanted, (until, _) = next(iter(self._charges.items()))
            if until > now:
                return
            self._end(wanted)

    def _end(self, wanted: _Wanted) -> bool:
        found = self._charges.pop(wanted, None)
        if found is not None:
            self._backlog.take_off(found[1])
        return found is not None


def _wanted(asker: Asker, *, fetched: bool) -> _Wanted:
    pipeline = asker.pipeline
    return asker.tenant, pipeline if fetched or pipeline is None else pipeline.source.url

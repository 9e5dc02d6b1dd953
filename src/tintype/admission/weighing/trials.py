"""Trials: predictions may be wrong, and if all that they tell against is refused, nobody finds out."""

from __future__ import annotations

from collections.abc import Hashable

from tintype.admission.remembered import REMEMBERED, remember


class Trials:
    """When to begin what will hardly be done in time: of each name, one every `every_s` seconds while that is asked for."""

    def __init__(self, every_s: float) -> None:
        self._every_s = every_s
        self._since: dict[Hashable, float] = {}  # first refused, or last tried; in order of that

    def due(self, name: Hashable, now: float) -> bool:
        """Tell whether this one is to be tried; if not, it is to be refused."""
        if now - self._since.setdefault(name, now) < self._every_s:
            if len(self._since) > REMEMBERED:
                del self._since[next(iter(self._since))]
            return False
        remember(self._since, name, now)
        return True

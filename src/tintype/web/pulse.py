"""The pulse of the event loop: what it has under way, and how late it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

# Between two beats; so late, with so much under way, it has more to do than it can. What goes through the loop in ten steps,
# as a render does, takes ten times as long. Seconds, seconds, requests.
_EVERY_S, _LATE_S, _MANY = 0.05, 0.1, 64


class Pulse:
    """Kept by the event loop; any thread may ask. `running`: requests that the loop has begun with."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._at: float | None = None
        self.running = 0

    async def beat(self) -> None:
        """Keep it, until cancelled."""
        while True:
            self._at = self._monotonic()
            await asyncio.sleep(_EVERY_S)

    def late_s(self, now: float) -> float:
        """Return how late the loop is, 0 while that may be chance: a few requests cannot be too many."""
        if self._at is None or self.running < _MANY:
            return 0.0
        late_s = now - self._at - _EVERY_S
        return late_s if late_s > _LATE_S else 0.0

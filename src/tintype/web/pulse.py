"""The pulse of the event loop: what it has under way, and how late it is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable

# Between two beats; so late, with so much under way, it has more to do than it can. What goes through the loop in ten steps,
# as a render does, takes ten times as long. Seconds, seconds, requests.
_EVERY_S, _LATE_S, _MANY = 0.05, 0.05, 64
_BEATS = round(1 / _EVERY_S)  # of a second


class Pulse:
    """Kept by the event loop, but for `handed`; any thread may ask. `running`: requests that the loop has begun with.

    `each_second` is called by the loop so often, and at the end.
    """

    def __init__(self, monotonic: Callable[[], float], each_second: Callable[[], None]) -> None:
        self._monotonic, self._each_second = monotonic, each_second
        self._at: float | None = None
        self._handed = self._begun = 0
        self._handed_at = self._begun_at = 0.0
        self.running = 0

    def handed(self) -> None:
        """Note that the server's thread has handed a request to the loop."""
        if self._handed <= self._begun:
            self._handed_at = self._monotonic()
        self._handed += 1

    def begin(self) -> None:
        """Note that the loop has begun with a request."""
        self.running += 1
        self._begun += 1
        self._begun_at = self._monotonic()

    async def beat(self) -> None:
        """Keep it, until cancelled."""
        try:
            for beats in itertools.count():
                self._at = self._monotonic()
                if not self.running:  # what was handed and did not come, will not
                    self._handed = self._begun
                if beats % _BEATS == 0:
                    self._each_second()
                await asyncio.sleep(_EVERY_S)
        finally:
            self._each_second()

    def late_s(self, now: float) -> float:
        """Return how late the loop is, 0 while that may be chance: a few requests cannot be too many."""
        unbegun = self._handed - self._begun
        if self._at is None or self.running + unbegun < _MANY:
            return 0.0
        waited_s = now - max(self._handed_at, self._begun_at) if unbegun > 0 else 0.0
        late_s = max(waited_s, now - self._at - _EVERY_S)
        return late_s if late_s > _LATE_S else 0.0

"""The pulse of the event loop: what it has under way, and how late it is."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tintype.admission.asker import Asker

Target: TypeAlias = tuple[bytes, bytes]  # a request's path and query, as they came

# Between two beats; so late, with so much under way, it has more to do than it can. What goes through the loop in ten steps,
# as a render does, takes ten times as long. Seconds, seconds, requests.
_EVERY_S, _LATE_S, _MANY = 0.05, 0.05, 64
_FEW = 6
_BEATS = round(1 / _EVERY_S)  # of a second


def target_of(scope: Mapping[str, Any]) -> Target:
    return scope.get("raw_path") or b"", scope["query_string"]


class Pulse:
    """Kept by the event loop, but for `handed`; any thread may ask. `running`: requests that the loop has begun with.

    What is asked for is told apart by its path and its query.

    `each_second` is called by the loop so often, and at the end; `let_go` with who was `charged` for a request that has ended.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        each_second: Callable[[], None],
        let_go: Callable[[Asker], None] = lambda _: None,
    ) -> None:
        self._monotonic, self._each_second, self._let_go = monotonic, each_second, let_go
        self._wanted: dict[Target, Asker | None] = {}  # and for whom something is charged, if anybody
        self._at: float | None = None
        self._handed = self._begun = 0
        self._handed_at = self._begun_at = 0.0
        self.running = 0

    def handed(self, target: Target) -> None:
        """Note that the server's thread has handed a request to the loop."""
        self._wanted.setdefault(target, None)
        if self._handed <= self._begun:
            self._handed_at = self._monotonic()
        self._handed += 1

    def begin(self) -> None:
        """Note that the loop has begun with a request."""
        self.running += 1
        self._begun += 1
        self._begun_at = self._monotonic()

    def end(self, target: Target) -> None:
        """Note that the loop is done with a request, and with all that waited for the same."""
        self.running -= 1
        asker = self._wanted.pop(target, None)
        if asker is not None:
            self._let_go(asker)

    def charged(self, target: Target, asker: Asker) -> None:
        """Note that something is charged for who asks, for a request that is handed to the loop."""
        self._wanted[target] = asker

    def wanted(self, target: Target) -> bool:
        """Tell whether the same is under way for somebody, so that it will hardly be done twice."""
        return target in self._wanted

    @property
    def few(self) -> bool:
        """Tell whether so little is under way that all of it may wait for a worker: as a browser asks for at once."""
        return self.running + max(0, self._handed - self._begun) < _FEW

    async def beat(self) -> None:
        """Keep it, until cancelled."""
        try:
            for beats in itertools.count():
                self._at = self._monotonic()
                if not self.running:  # what was handed and did not come, will not
                    self._handed = self._begun
                    self._wanted.clear()
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

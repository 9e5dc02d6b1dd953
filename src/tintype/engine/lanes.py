"""Which waiting request starts next: in order of arrival, but heavy ones in a lane of their own. Pure.

A render whose predicted CPU time is far above the usual (a giant progressive JPEG, a long animation) holds its worker for
seconds. Where there are several workers, heavy renders leave one of them to the rest. Where there is only one, they wait
behind the rest, but not for longer than a bound, which is also the rest's time between two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A request in the queue. `kept`: a worker is kept for it alone, so that it holds nobody up."""

    cpu_ms: float
    waited_s: float
    kept: bool = False


@dataclass(frozen=True, slots=True)
class Lanes:
    """The rules, from the settings; `workers` may be busy at once."""

    workers: int
    heavy_ms: float
    patience_s: float

    def heavy(self, cpu_ms: float) -> bool:
        return cpu_ms > self.heavy_ms

    def next(self, queue: Sequence[Waiting], heavy_busy: int, since_heavy_s: float) -> int | None:
        """Return the position of the request for a worker that is free.

        Args:
            queue: in order of arrival.
            heavy_busy: how many workers have heavy requests now.
            since_heavy_s: how long ago the last heavy request ended.

        Returns:
            None: nothing waits, or nothing that may start before a heavy request has ended.
        """
        allowed = [n for n, one in enumerate(queue) if not self.heavy(one.cpu_ms)]
        head = next((n for n, one in enumerate(queue) if self.heavy(one.cpu_ms)), None)
        if head is not None and self._may_start(queue[head], heavy_busy, since_heavy_s, alone=not allowed):
            allowed = sorted([*allowed, head])
        return next((n for n in allowed if queue[n].kept), allowed[0] if allowed else None)

    def _may_start(self, one: Waiting, heavy_busy: int, since_heavy_s: float, *, alone: bool) -> bool:
        """Whether the heavy request that came first may start."""
        if self.workers > 1:
            return heavy_busy < self.workers - 1
        return alone or min(one.waited_s, since_heavy_s) >= self.patience_s

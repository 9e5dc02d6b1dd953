"""Behind: results that are made behind the answers that do without them, at a budgeted rate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tintype.core.errors import TintypeError
from tintype.ports import Clock, Telemetry
from tintype.services.jobs import Moved

# Under way at once: one is fetched or looked at while another is made.
_AT_ONCE = 2


class Behind:
    """A token bucket of one second's budget; what finds it empty is left for a later request.

    `reason` is the label of its metrics: renewal of results of an old render epoch, promotion to a format that takes longer.
    """

    def __init__(self, reason: str, per_s: float, clock: Clock, telemetry: Telemetry) -> None:
        self._reason = reason
        self._per_s = per_s
        self._tokens = per_s
        self._filled_at = clock.monotonic()
        self._clock = clock
        self._telemetry = telemetry
        self._running: dict[str, asyncio.Task[None]] = {}

    def offer(self, key: str, start: Callable[[], Awaitable[object]]) -> bool:
        """Start the making of a result if the budget has room for it; returns whether it did."""
        if key in self._running:
            return False
        if len(self._running) >= _AT_ONCE or not self._take():
            self._telemetry.count("behind", reason=self._reason, result="left")
            return False
        task = asyncio.get_running_loop().create_task(self._make(start))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))
        return True

    def _take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(max(self._per_s, 1.0), self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def _make(self, start: Callable[[], Awaitable[object]]) -> None:
        failed = ""
        try:
            await start()
        except TintypeError as error:
            failed = error.code
        except Moved:  # the origin has other bytes now, and the next request sees them
            failed = "moved"
        self._telemetry.count("behind", reason=self._reason, result="failed" if failed else "made")
        if failed:
            self._telemetry.event(f"{self._reason}_failed", error=failed)

    async def close(self) -> None:
        """End what is under way."""
        for task in list(self._running.values()):
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)

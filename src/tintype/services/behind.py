"""Behind: results that are made behind the answers that do without them, while workers have nothing else to do."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from typing import NamedTuple, TypeAlias

from tintype.core.errors import TintypeError
from tintype.ports import Clock, Spare, Telemetry
from tintype.services.jobs import Moved

# Waiting at once, each some KB; and for how long: who asks again after that has another one put in line.
_WAITING = 256
_PATIENCE_S = 60.0

Start: TypeAlias = Callable[[], Awaitable[object]]


class _Offer(NamedTuple):
    key: str
    start: Start
    at: float


class Behind:
    """A line that one result after another is made from, each begun while there is a worker to spare.

    What finds the line full, or a token bucket of one second's budget empty, is left for a later request; what has waited too
    long is dropped. `reason` is the label of its metrics: renewal of results of an old render epoch, promotion to a format
    that takes longer.
    """

    def __init__(self, reason: str, per_s: float, spare: Spare, clock: Clock, telemetry: Telemetry) -> None:
        self._reason = reason
        self._per_s = per_s
        self._tokens = per_s
        self._filled_at = clock.monotonic()
        self._spare = spare
        self._clock = clock
        self._telemetry = telemetry
        self._line: deque[_Offer] = deque()
        self._keys: set[str] = set()  # of what waits or is being made
        self._worker: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """Return how many results wait or are being made."""
        return len(self._keys)

    def offer(self, key: str, start: Start) -> bool:
        """Put the making of a result in line, if there is room for it; returns whether it did."""
        if key in self._keys:
            return False
        if len(self._line) >= _WAITING or not self._take():
            self._count("left")
            return False
        self._keys.add(key)
        self._line.append(_Offer(key, start, self._clock.monotonic()))
        self._tell()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.get_running_loop().create_task(self._work())
        return True

    def _take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(max(self._per_s, 1.0), self._tokens + (now - self._filled_at) * self._per_s)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

    async def _work(self) -> None:
        """Make what is in line, until nothing is."""
        while self._line:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, self._line[0].at + _PATIENCE_S - self._clock.monotonic())):
                    await self._spare.spare()
            offer = self._line.popleft()
            try:
                late = self._clock.monotonic() - offer.at >= _PATIENCE_S
                self._count("dropped" if late else await self._made(offer))
            finally:
                self._keys.discard(offer.key)
                self._tell()

    async def _made(self, offer: _Offer) -> str:
        """Make a result; returns what the metrics say of it."""
        failed = ""
        try:
            await offer.start()
        except TintypeError as error:
            failed = error.code
        except Moved:  # the origin has other bytes now, and the next request sees them
            failed = "moved"
        except Exception as error:  # noqa: BLE001 - a defect in one must not end the making of all others
            self._telemetry.event("defect", path=self._reason, error=repr(error), exc_info=error)
            failed = "internal"
        if failed:
            self._telemetry.event(f"{self._reason}_failed", error=failed)
            return "failed"
        self._telemetry.observe("behind_seconds", self._clock.monotonic() - offer.at, reason=self._reason)
        return "made"

    def _count(self, result: str) -> None:
        self._telemetry.count("behind", reason=self._reason, result=result)

    def _tell(self) -> None:
        self._telemetry.gauge("behind_pending", len(self._keys), reason=self._reason)

    async def close(self) -> None:
        """End what is under way, and forget what waits."""
        self._line.clear()
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)

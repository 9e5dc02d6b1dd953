"""The slow-request log: one event for an answer that took long, with what it took that time for; a bounded number of them."""

from __future__ import annotations

from typing import Any

from tintype.core.brief import brief
from tintype.ports import Clock, Telemetry
from tintype.services.answers import Timings

# Events at once, and a second: when everything is slow, a few say why.
_BURST, _PER_S = 10.0, 1.0


class SlowLog:
    """Tells of answers that were ready after more than `slow_s`; 0 = of none."""

    def __init__(self, slow_s: float, clock: Clock, telemetry: Telemetry) -> None:
        self._slow_s, self._clock, self._telemetry = slow_s, clock, telemetry
        self._tokens, self._filled_at = _BURST, clock.monotonic()
        self._left_out = 0

    def note(self, ready_s: float, timings: Timings, facts: dict[str, Any]) -> None:
        """Note an answer, by the time until it was ready. `facts`: what the request's own event has, and its kind."""
        if not self._slow_s or ready_s <= self._slow_s:
            return
        if not self._take():
            self._left_out += 1
            return
        phases = {name: round(seconds * 1000, 1) for name, seconds in timings.phases.items()}
        self._telemetry.event(
            "slow_request",
            **{**facts, "ms": round(ready_s * 1000, 2)},
            level="warning",
            lane=timings.lane,
            phases_ms=phases,
            plan=brief(timings.plan) if timings.plan else "",
            left_out=self._left_out,
        )
        self._left_out = 0

    def _take(self) -> bool:
        now = self._clock.monotonic()
        self._tokens = min(_BURST, self._tokens + (now - self._filled_at) * _PER_S)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

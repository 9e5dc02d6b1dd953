"""How many calls of one host may be under way at once: fewer when it takes longer than it usually does. Decides only.

A gradient limiter, as Netflix's Gradient2 and Envoy's adaptive concurrency are: limit = limit * normal / now + room for a
queue. What is normal is learnt while the host has little to do; while it has much, that slow is normal is believed slowly.
"""

from __future__ import annotations

from math import sqrt

_START, _LEAST = 16.0, 2.0
# So much longer than usual is no sign of a queue, and neither is anything below the second number. Seconds.
_TOLERANCE, _UNNOTICED_S = 1.5, 0.1
# However slow it is, the limit is no more than halved while all that are under way answer.
_STEEPEST = 0.5
# How long it takes to believe that something is normal: with less than half of the limit under way, and with more. One
# measurement is never more than a part of it. Seconds.
_QUIET_S, _CROWDED_S, _PART = 5.0, 300.0, 0.1
_FAILED = 0.9


class Limit:
    """Of one host; between 2 (or `most`, if that is less) and `most`."""

    def __init__(self, most: int) -> None:
        self._least, self._most = min(_LEAST, most), float(most)
        self._limit = min(_START, self._most)
        self._normal_s, self._learnt_at = 0.0, 0.0

    @property
    def calls(self) -> int:
        """How many may be under way."""
        return int(self._limit)

    def took(self, latency_s: float, running: int, now: float) -> None:
        """Learn from an answer that began after so long, while so many calls (itself included) were under way."""
        latency_s = max(_UNNOTICED_S, latency_s)
        crowded = running * 2 >= self._limit
        self._learn(latency_s, _CROWDED_S if crowded else _QUIET_S, now)
        if crowded:  # else nothing is known of what more calls would do
            gradient = max(_STEEPEST, min(1.0, _TOLERANCE * self._normal_s / latency_s))
            # limit * gradient + sqrt(limit), a queue's room, once all that are under way have answered
            self._move(self._limit + gradient - 1 + 1 / sqrt(self._limit))

    def failed(self) -> None:
        """Learn from a call that came to nothing, or was too many in the host's own words."""
        self._move(self._limit * _FAILED)

    def _learn(self, latency_s: float, believed_s: float, now: float) -> None:
        part = min(_PART, (now - self._learnt_at) / believed_s)
        self._normal_s = self._normal_s + part * (latency_s - self._normal_s) if self._normal_s else latency_s
        self._learnt_at = now

    def _move(self, limit: float) -> None:
        self._limit = min(self._most, max(self._least, limit))

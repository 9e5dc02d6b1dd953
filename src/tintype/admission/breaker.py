"""When to stop asking a store that does not answer. Decides only; takes `now` (monotonic seconds)."""

from __future__ import annotations


class Breaker:
    """Opens after some failures in a row; then lets one attempt through every `open_s` until one succeeds."""

    def __init__(self, failures: int = 5, open_s: float = 5.0) -> None:
        self._most, self._open_s = failures, open_s
        self._failures = 0
        self._next_at = 0.0

    @property
    def is_open(self) -> bool:
        return self._failures >= self._most

    def allows(self, now: float) -> bool:
        if not self.is_open:
            return True
        if now < self._next_at:
            return False
        self._next_at = now + self._open_s
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self, now: float) -> None:
        self._failures += 1
        if self.is_open:
            self._next_at = now + self._open_s

"""The line of requests on their way from the server's thread to the event loop, and how far that is behind."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable


class Line:
    """Joined by one thread, left by another, first come first; each may ask."""

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._since: deque[float] = deque()

    def join(self) -> None:
        """Note that a request goes to the event loop."""
        self._since.append(self._monotonic())

    def leave(self) -> None:
        """Note that the event loop has begun with the first of the line; with none, it got one by itself."""
        if self._since:
            self._since.popleft()

    def wait_s(self, now: float) -> float:
        """Return how long the first has waited."""
        try:
            return now - self._since[0]
        except IndexError:
            return 0.0

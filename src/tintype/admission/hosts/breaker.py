"""When to stop asking somebody who does not answer, and when to try again. Decides only; `now` is monotonic seconds.

    closed --(failures in a row)--> open --(its time is over)--> trying --(success)--> closed
                                      ^---------------(failure)-----'

While it is open nobody is asked; while it is trying, one attempt is under way. Each attempt that fails doubles the time
until the next one, which is spread by a random number, so that nodes do not come back together.
"""

from __future__ import annotations

# The share of a pause that is drawn: between three and five quarters of it.
_LEAST, _SPREAD = 0.75, 0.5


class Breaker:
    """Opens after so many `failures` in a row, for `open_s` at first and `most_s` at the longest.

    Failures that are `of` the same thing (one URL's, say) count once in a row: they may say nothing of the rest.
    """

    def __init__(self, failures: int = 5, open_s: float = 1.0, most_s: float = 15.0) -> None:
        self._most, self._open_s, self._most_s = failures, open_s, most_s
        self._row: set[str] = set()
        self._pauses = 0  # since it was closed; 0 = it is
        self._trying = False
        self._try_at = 0.0
        self._era = 0  # what was begun before the latest change of state has no say

    @property
    def is_open(self) -> bool:
        """Whether only attempts are let through."""
        return self._pauses > 0

    def begin(self, now: float) -> int | None:
        """Return what to report the end by (`succeeded`, `failed` or `gave_up`), or None: do not ask."""
        if self.is_open:
            if self._trying or now < self._try_at:
                return None
            self._trying = True
            self._era += 1
        return self._era

    def wait_s(self, now: float) -> float:
        """Return how long until the next attempt, as far as that is known."""
        return max(0.0, self._try_at - now) if self.is_open else 0.0

    def succeeded(self, begun: int) -> None:
        """Close, or stay closed."""
        if begun == self._era:
            self._row.clear()
            self._era += self.is_open
            self._pauses, self._trying = 0, False

    def failed(self, begun: int, now: float, draw: float, of: str = "") -> None:
        """Count a failure; `draw`: a random number in [0, 1)."""
        if begun != self._era:
            return
        self._row.add(of or f"{len(self._row)}")
        if self.is_open or len(self._row) >= self._most:
            pause_s = min(self._most_s, self._open_s * 2.0 ** min(self._pauses, 30))
            self._try_at = now + pause_s * (_LEAST + _SPREAD * draw)
            self._row.clear()
            self._pauses += 1
            self._era += 1
            self._trying = False

    def gave_up(self, begun: int) -> None:
        """Say that an attempt ended without telling anything: the next one may begin."""
        if begun == self._era:
            self._trying = False

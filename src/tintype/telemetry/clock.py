"""The system's clock, behind the `Clock` port."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time for what is kept, monotonic time for what is measured."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()

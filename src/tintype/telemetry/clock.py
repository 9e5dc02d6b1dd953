"""The system's clock, behind the `Clock` port."""

from __future__ import annotations

import time


class SystemClock:
    """Wall time for what is kept, monotonic time for what is measured."""

    now = staticmethod(time.time)
    monotonic = staticmethod(time.monotonic)

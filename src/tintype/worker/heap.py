"""Free memory of a worker: given back to the system in a lull, now and then."""

from __future__ import annotations

import ctypes
import select
import time

# What a trim costs is paid after it, in page faults: a seventh of the work on the next few photos (2 K WebP, six of them).
_REST_S, _EVERY_S = 1.0, 30.0


class Heap:
    """The C heap of this process.

    A small block near its end keeps all that is free below it, however much that is.
    """

    def __init__(self, *, rest_s: float = _REST_S, every_s: float = _EVERY_S) -> None:
        self._trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc has it
        self._rest_s = rest_s
        self._every_s = every_s
        self._due = 0.0

    def rest(self, incoming: int) -> None:
        """Return once there is something to read from a descriptor, or when what is free has been given back before that."""
        if self._trim is None:
            return
        wait = max(self._rest_s, self._due - time.monotonic())
        if not select.select((incoming,), (), (), wait)[0]:
            self._trim(0)
            self._due = time.monotonic() + self._every_s

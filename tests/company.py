"""Which tests may run beside each other: those marked `alone` flood nodes, and have the machine for themselves."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Folders as locks between processes that test the same checkout: nothing is written, nothing is left behind.
_ROOM = Path(__file__).parent
_DOOR = _ROOM.parent


@contextmanager
def company(*, alone: bool) -> Iterator[None]:
    """Wait until there is room for a test, and for what its fixtures start. Nobody passes who waits to be alone."""
    with _opened(_ROOM) as room:
        with _opened(_DOOR) as door:
            fcntl.flock(door, fcntl.LOCK_EX)
            fcntl.flock(room, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    opened = os.open(folder, os.O_RDONLY)
    try:
        yield opened
    finally:
        os.close(opened)

"""What the machine has."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup/memory.max")


def cores() -> int:
    return os.cpu_count() or 1


def memory_bytes() -> int:
    """Return the memory that this process may use: the machine's, or less if its control group has a bound."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    with contextlib.suppress(OSError, ValueError):
        return min(machine, int(_CGROUP.read_text()))  # "max" where there is no bound
    return machine

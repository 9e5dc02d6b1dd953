"""Layer: no descriptor but the socket and our own statistics; and the few descriptors a worker makes for itself."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Sequence

# Above any descriptor that can be open: close_range(2) takes it as "the rest".
_LAST = 2**31 - 1


def silence() -> None:
    """Make 0, 1 and 2 /dev/null, so that no library writes into something else by accident."""
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


def keep_only(keep: Sequence[int]) -> tuple[str, ...]:
    """Close all but `keep` and the three standard ones."""
    low = 3
    for fd in sorted(fd for fd in keep if fd > 2):
        os.closerange(low, fd)
        low = fd + 1
    os.closerange(low, _LAST)
    return ()


def open_statm() -> int:
    """Open our own memory statistics, which cannot be reached any more once confined; -1 where there is no procfs."""
    try:
        return os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return -1


def anonymous_file(name: str) -> int:
    """Make a file in memory (on disk where the platform has no memfd)."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())


def seal(fd: int) -> None:
    """Let nobody change a file in memory any more, ourselves included."""
    if hasattr(os, "memfd_create"):
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)

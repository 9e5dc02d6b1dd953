"""What the end of a worker process says about the image it was working on. Pure."""

from __future__ import annotations

import signal
from dataclasses import dataclass

# Signals that others send, the kernel short of memory among them: no fault of the image.
_FROM_OUTSIDE = frozenset({signal.SIGKILL, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})


@dataclass(frozen=True, slots=True)
class Exit:
    """A cause in words, whether the image caused it, and the word for it in metrics."""

    cause: str
    guilty: bool
    reason: str = "crash"


def read_exit(code: int) -> Exit:
    """Read a return code as subprocess gives it: negative = the number of a signal."""
    if code >= 0:
        # Our own loop ends only when its socket closes; a library that calls exit() on bad data is a crash like another.
        return Exit(f"exit status {code}", guilty=True)
    number = -code
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number == signal.SIGXCPU:
        return Exit("more CPU time than limits.worker_cpu_s allows", guilty=True, reason="cpu")
    if number == signal.SIGSYS:
        return Exit("a system call the sandbox forbids (SIGSYS)", guilty=True)
    return Exit(name, guilty=number not in _FROM_OUTSIDE)

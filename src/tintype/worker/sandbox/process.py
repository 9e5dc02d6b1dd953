"""Layers of one setting each: first to go when memory runs out, no gain of privileges, no dumps; and ending with the parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from pathlib import Path

from tintype.worker.sandbox.layer import LayerMissing, libc

# <linux/prctl.h>
_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38


def ignore_terminal() -> None:
    """Leave Ctrl-C and a service manager's SIGTERM to the parent, which drains and then closes our socket."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def die_with(parent: int) -> None:
    """Be killed when the parent ends, also by kill -9. Elsewhere than on Linux the closed socket has to do."""
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it ended before the line above
        raise SystemExit("the parent is gone")


def first_to_go() -> tuple[str, ...]:
    """When memory runs out, the kernel ends us before anybody else. Children inherit it, and it takes no privilege to ask for.

    What a worker writes into files in memory counts against none of its limits on memory, only against the system's.
    """
    try:
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    except OSError as error:
        raise LayerMissing(f"needs a /proc that can be written: {error}") from error
    return ()


def no_new_privileges() -> tuple[str, ...]:
    """No setuid program gives us anything; also what lets an ordinary user load Landlock and seccomp."""
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    return ()


def undumpable() -> tuple[str, ...]:
    """No core image, no ptrace from processes of the same user, /proc/self owned by root."""
    _prctl(_PR_SET_DUMPABLE, 0)
    return ()


def _prctl(option: int, value: int) -> None:
    if sys.platform != "linux":
        raise LayerMissing("Linux only")
    zero = ctypes.c_ulong(0)
    if libc().prctl(ctypes.c_int(option), ctypes.c_ulong(value), zero, zero, zero) != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"prctl {option}: {os.strerror(code)}")

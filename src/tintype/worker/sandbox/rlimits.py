"""Layer: bounds of the kernel on memory, CPU time, output, descriptors and core dumps."""

from __future__ import annotations

import math
import mmap
import os
import resource
import time

from tintype.core.messages import MAX_INPUTS, MAX_PLANS

# Inputs of one job, the copies that their maps keep, its results, and what libraries open for themselves. No more: memory in
# anonymous files counts against no other limit, so that descriptors times the bytes of a result are the bound on it.
_DESCRIPTORS = 2 * MAX_INPUTS + MAX_PLANS + 16
_ZYGOTE_DESCRIPTORS = 1024  # one for each child


def bound(result_bytes: int, *, zygote: bool) -> tuple[str, ...]:
    """Set what stays the same for a worker's whole life. A zygote keeps CPU time, it has one life for all its children."""
    _set(resource.RLIMIT_CORE, 0)
    _set(resource.RLIMIT_NOFILE, _ZYGOTE_DESCRIPTORS if zygote else _DESCRIPTORS)
    _set(resource.RLIMIT_FSIZE, result_bytes)  # holds for memfds as well
    return ()


def address_space(statm: int) -> int:
    """Return the bytes of address space in use, read from a descriptor of /proc/PID/statm; 0 = not known."""
    return int(os.pread(statm, 200, 0).split()[0]) * mmap.PAGESIZE if statm >= 0 else 0


def bound_memory(idle_bytes: int, more_bytes: int) -> None:
    """Let the address space grow by so much over what it is when idle."""
    if idle_bytes > 0:
        _set(resource.RLIMIT_AS, idle_bytes + more_bytes)


def bound_cpu(seconds: int) -> None:
    """Let this process use so much more CPU time; then comes SIGXCPU, which ends it.

    Sliding, for one request after the other: only the soft limit moves. The kernel counts in whole seconds.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + seconds, hard))


def _set(limit: int, value: int) -> None:
    """Lower a limit for good: soft and hard."""
    _, hard = resource.getrlimit(limit)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(limit, (value, value))

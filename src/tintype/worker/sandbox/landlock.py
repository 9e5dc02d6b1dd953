"""Layer: Landlock. No file can be opened but libraries and fonts, to read; no TCP; no signal to anyone outside.

Numbers and structures: <linux/landlock.h>. What a kernel's ABI lacks is left out, and the layer says which parts it has.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tintype.worker.sandbox.layer import LayerMissing, syscall
from tintype.worker.sandbox.paths import readable

# System call numbers, the same on every architecture.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_GET_VERSION = 1
_PATH_BENEATH = 1

_READ_FILE = 1 << 2
_READ_DIR = 1 << 3
# Every file right that an ABI knows, so that all are taken away: 13 at first, then REFER (2), TRUNCATE (3), IOCTL_DEV (5).
_FILE_RIGHTS = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_NET_RIGHTS = 0b11  # bind and connect TCP, from ABI 4 on
_SCOPES = 0b11  # abstract Unix sockets and signals, from ABI 6 on
_NET_ABI, _SCOPE_ABI = 4, 6


class _Ruleset(ctypes.Structure):
    _fields_ = (("fs", ctypes.c_uint64), ("net", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


def abi() -> int:
    """Return the version of Landlock this kernel has, 0 = none."""
    if sys.platform != "linux":
        return 0
    try:
        return syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), ctypes.c_uint32(_GET_VERSION))
    except OSError as error:
        if error.errno in (errno.ENOSYS, errno.EOPNOTSUPP, errno.EPERM):
            return 0
        raise


@dataclass(frozen=True, slots=True)
class Ruleset:
    """The rules, held by a descriptor: made once, they can be put on by any number of processes."""

    fd: int
    parts: tuple[str, ...]


def made() -> Ruleset:
    """Make the rules.

    Raises:
        LayerMissing: the kernel has no Landlock.
    """
    version = abi()
    if version == 0:
        raise LayerMissing("needs Linux 5.13 or later with landlock in the lsm= list")
    fd = _ruleset(version)
    try:
        _allow(fd, readable())
    except BaseException:
        os.close(fd)
        raise
    more = (("network",) if version >= _NET_ABI else ()) + (("scope",) if version >= _SCOPE_ABI else ())
    return Ruleset(fd, ("files", *more))


def restrict(rules: Ruleset, threads: int) -> tuple[str, ...]:
    """Restrict this thread and those it starts, and close the rules; returns the parts in force.

    Raises:
        LayerMissing: there are other threads already, which would stay free.
    """
    try:
        if threads > 1:
            raise LayerMissing(f"{threads} threads run already and would not be bound")
        syscall(_RESTRICT_SELF, ctypes.c_int(rules.fd), ctypes.c_uint32(0))
    finally:
        os.close(rules.fd)
    return rules.parts


def threads() -> int:
    """Return how many threads this process has; needs /proc, as it is before confinement."""
    return sum(1 for _ in Path("/proc/self/task").iterdir())


def _ruleset(version: int) -> int:
    rights = max((known, bits) for known, bits in _FILE_RIGHTS.items() if known <= version)[1]
    net = _NET_RIGHTS if version >= _NET_ABI else 0
    scoped = _SCOPES if version >= _SCOPE_ABI else 0
    attributes = _Ruleset(fs=rights, net=net, scoped=scoped)
    size = ctypes.c_size_t(ctypes.sizeof(attributes))
    return syscall(_CREATE_RULESET, ctypes.byref(attributes), size, ctypes.c_uint32(0))


def _allow(ruleset: int, paths: Iterable[str]) -> None:
    """Let files at and beneath the paths be read. Without the right to execute: a library only needs to be mapped."""
    for path in paths:
        fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
        try:
            rights = _READ_FILE | (_READ_DIR if Path(path).is_dir() else 0)
            rule = _PathBeneath(allowed=rights, parent=fd)
            syscall(
                _ADD_RULE, ctypes.c_int(ruleset), ctypes.c_int(_PATH_BENEATH), ctypes.byref(rule), ctypes.c_uint32(0)
            )
        finally:
            os.close(fd)

"""What the layers share: the way a layer says that this system does not have it, and libc."""

from __future__ import annotations

import ctypes
import functools
import os


class LayerMissing(Exception):
    """This kernel or platform has no such layer; the message says what it would take."""


@functools.cache
def libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def syscall(number: int, *arguments: object) -> int:
    """Make a system call that libc has no function for. Raises OSError."""
    result: int = libc().syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result

"""Filter programs as the kernel takes them: a constant filled in, and the program loaded. See <linux/filter.h>."""

from __future__ import annotations

import ctypes
import struct

from tintype.worker.sandbox.layer import LayerMissing, syscall

# struct sock_filter: what to do, where to go if so and if not, and the constant to compare with.
_INSTRUCTION = struct.Struct("=HBBI")
_SET_MODE_FILTER, _ALL_THREADS = 1, 1  # SECCOMP_FILTER_FLAG_TSYNC


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.c_char_p))


def filled(program: bytes, blank: int, value: int) -> bytes:
    """Return the program with `value` wherever it compares with `blank`."""
    return b"".join(
        _INSTRUCTION.pack(code, yes, no, value if constant == blank else constant)
        for code, yes, no, constant in _INSTRUCTION.iter_unpack(program)
    )


def load(number: int, program: bytes) -> None:
    """Load a program, for all threads, by seccomp(2), whose number is given.

    Raises:
        LayerMissing: the kernel does not take it.
    """
    taken = _Program(len(program) // _INSTRUCTION.size, program)
    try:
        stray = syscall(number, ctypes.c_uint(_SET_MODE_FILTER), ctypes.c_uint(_ALL_THREADS), ctypes.byref(taken))
    except OSError as error:
        raise LayerMissing(f"the kernel takes no filter: {error}") from error
    if stray:
        raise LayerMissing(f"thread {stray} has a filter of its own")

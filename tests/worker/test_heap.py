"""A worker's heap gives back what is free, in a lull, and not in every one."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from tintype.worker.heap import Heap

_LIBC = ctypes.CDLL(None)
_BLOCK, _BLOCKS = 64 * 1024, 1024
_HALF = _BLOCK * _BLOCKS / 2

pytestmark = pytest.mark.skipif(not hasattr(_LIBC, "malloc_trim"), reason="only glibc's heap is trimmed")
if hasattr(_LIBC, "malloc_trim"):
    _LIBC.malloc.restype = ctypes.c_void_p
    _LIBC.malloc.argtypes = [ctypes.c_size_t]
    _LIBC.free.argtypes = [ctypes.c_void_p]


@contextmanager
def free_below_a_block() -> Iterator[int]:
    """Free 64 MB of the heap but for the block on top of them. Yields what the process has resident then."""
    blocks = [_LIBC.malloc(_BLOCK) for _ in range(_BLOCKS)]
    for block in blocks:
        ctypes.memset(block, 1, _BLOCK)
    for block in blocks[:-1]:
        _LIBC.free(block)
    try:
        yield resident()
    finally:
        _LIBC.free(blocks[-1])
        _LIBC.malloc_trim(0)


def resident() -> int:
    return psutil.Process().memory_info().rss


@pytest.fixture
def line() -> Iterator[tuple[int, int]]:
    ends = os.pipe()
    yield ends
    for end in ends:
        os.close(end)


def test_a_lull_gives_back_what_is_free_and_the_next_one_does_not(line: tuple[int, int]) -> None:
    heap = Heap(rest_s=0.01, every_s=3600)
    with free_below_a_block() as before:
        heap.rest(line[0])
        assert resident() < before - _HALF
    with free_below_a_block() as before:
        os.write(line[1], b"a request")
        heap.rest(line[0])
        assert resident() > before - _HALF


def test_it_is_given_back_again_once_it_is_time(line: tuple[int, int]) -> None:
    heap = Heap(rest_s=0.01, every_s=0.05)
    for _ in range(2):
        with free_below_a_block() as before:
            heap.rest(line[0])
            assert resident() < before - _HALF


def test_a_request_ends_the_lull(line: tuple[int, int]) -> None:
    heap = Heap(rest_s=3600)
    with free_below_a_block() as before:
        os.write(line[1], b"a request")
        heap.rest(line[0])
        assert resident() > before - _HALF

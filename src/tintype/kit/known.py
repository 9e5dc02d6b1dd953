"""What a store may hold, in a few bits a key: a no is certain and costs no hop to a thread, a yes is worth a look."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence

# Of 16 bits a key, four are set: one in 400 that are not there looks as if it were, at the most.
_BITS, _SET = 16, 4
_LEAST = 65_536  # keys there is room for, in 128 kB
_MOST_BYTES = 16 << 20  # enough for 8 million keys; beyond, more and more look as if they were there
# Between two pages of keys read at a start, so that those who ask for something have their turn. Seconds.
_PAUSE_S = 0.005


class Known:
    """A Bloom filter that begins anew when more has been added than it has room for. From any thread.

    Until it was filled it knows nothing, and everything may be there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bits: bytearray | None = None
        self._coming: bytearray | None = None
        self._added = self._room = 0

    def may(self, key: bytes) -> bool:
        """Return whether a key may be there; one that was put there and then added is never denied."""
        bits = self._bits
        return bits is None or all(bits[at >> 3] & (1 << (at & 7)) for at in _places(key, len(bits)))

    def add(self, keys: Sequence[bytes]) -> bool:
        """Add keys; True = it is time to `fill` it again, as keys that went away still take room."""
        with self._lock:
            for bits in filter(None, (self._bits, self._coming)):
                for key in keys:
                    for at in _places(key, len(bits)):
                        bits[at >> 3] |= 1 << (at & 7)
            self._added += len(keys)
            return self._coming is None and self._added > self._room

    def fill(self, count: int, pages: Iterable[Sequence[bytes]]) -> None:
        """Begin anew with what is there: about `count` keys, a page at a time. Takes its time; once is enough."""
        with self._lock:
            if self._coming is not None:
                return
            self._room, self._added = _LEAST + 2 * count, 0
            self._coming = bytearray(_bytes_for(self._room))
        filled = False
        try:
            for keys in pages:
                self.add(keys)
                time.sleep(_PAUSE_S)
            filled = True
        finally:
            with self._lock:
                self._bits, self._coming = (self._coming if filled else self._bits), None


def _bytes_for(keys: int) -> int:
    """Return a power of two, so that a place in it is cut out of a hash by a mask."""
    return min(_MOST_BYTES, 1 << (keys * _BITS // 8 - 1).bit_length())


def _places(key: bytes, size: int) -> Iterator[int]:
    """Return the bits of a key. Python's hash has a secret of the process: nobody can aim at one."""
    number, mask = hash(key), 8 * size - 1
    step = number >> 32 | 1
    return ((number + turn * step) & mask for turn in range(_SET))

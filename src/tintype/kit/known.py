"""What a store may hold, in a few bits a key: a no is certain and costs no hop to a thread, a yes is worth a look."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Iterable, Sequence

# Of 16 bits a key, four are set, all in one word of 64: one in 200 that are not there looks as if it were, at the most.
_BITS = 16
_LEAST = 65_536  # keys there is room for, in 128 kB
_MOST_WORDS = 2 << 20  # enough for 8 million keys, in 16 MB; beyond, more and more look as if they were there
# Between two pages of keys read at a start, so that those who ask for something have their turn. Seconds.
_PAUSE_S = 0.005


class Known:
    """A Bloom filter that begins anew when more has been added than it has room for. From any thread.

    Until it was filled it knows nothing, and everything may be there.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._words: array[int] | None = None
        self._coming: array[int] | None = None
        self._added = self._room = 0

    def may(self, key: bytes) -> bool:
        """Return whether a key may be there; one that was put there and then added is never denied."""
        words = self._words
        if words is None:
            return True
        at, bits = _place(key, len(words))
        return words[at] & bits == bits

    def add(self, keys: Sequence[bytes]) -> bool:
        """Add keys; True = it is time to `fill` it again, as keys that went away still take room."""
        with self._lock:
            for words in filter(None, (self._words, self._coming)):
                for key in keys:
                    at, bits = _place(key, len(words))
                    words[at] |= bits
            self._added += len(keys)
            return self._coming is None and self._added > self._room

    def fill(self, count: int, pages: Iterable[Sequence[bytes]]) -> None:
        """Begin anew with what is there: about `count` keys, a page at a time. Takes its time; once is enough."""
        with self._lock:
            if self._coming is not None:
                return
            self._room, self._added = _LEAST + 2 * count, 0
            self._coming = array("Q", bytes(8 * _words_for(self._room)))
        filled = False
        try:
            for keys in pages:
                self.add(keys)
                time.sleep(_PAUSE_S)
            filled = True
        finally:
            with self._lock:
                self._words, self._coming = (self._coming if filled else self._words), None


def _words_for(keys: int) -> int:
    """Return a power of two, so that a place in it is cut out of a hash by a mask."""
    return min(_MOST_WORDS, 1 << (keys * _BITS // 64 - 1).bit_length())


def _place(key: bytes, words: int) -> tuple[int, int]:
    """Return a key's word, and its bits in there. Python's hash has a secret of the process: nobody can aim at one."""
    number = hash(key)
    bits = 1 << (number & 63) | 1 << (number >> 6 & 63) | 1 << (number >> 12 & 63) | 1 << (number >> 18 & 63)
    return number >> 24 & (words - 1), bits

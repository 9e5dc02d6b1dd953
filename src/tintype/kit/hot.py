"""Files of a store that were read lately: reading one again asks no index, needs no thread, and waits for no disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

from tintype.kit.fileindex import Found
from tintype.kit.files import checksum_of

_MOST = 16_384  # files known, about 1 kB of memory each
_LARGEST = 256 * 1024  # of a file: longer ones are read and hashed in a thread
# Take what is in memory; what is not is no answer, instead of a wait. Linux has it.
_NO_WAIT: int | None = getattr(os, "RWF_NOWAIT", None)


class Hot:
    """Where files are, by key, and what they must hash to. From any thread.

    A place may be out of date: files are never rewritten, and a number is given once in the life of an index, so that
    what lies there is the file, or nothing, or (the index was damaged and began anew) something whose checksum differs.
    """

    def __init__(self, path: Callable[[int], Path]) -> None:
        self._path = path
        self._places: dict[bytes, tuple[str, Found]] = {}
        self._lock = threading.Lock()

    def note(self, key: bytes, found: Found) -> None:
        """Remember a file that was just read and found whole."""
        if found.size > _LARGEST or _NO_WAIT is None:
            return
        with self._lock:
            self._places.pop(key, None)
            self._places[key] = (str(self._path(found.id)), found)
            if len(self._places) > _MOST:
                del self._places[next(iter(self._places))]

    def forget(self, key: bytes) -> None:
        with self._lock:
            self._places.pop(key, None)

    def read(self, key: bytes) -> tuple[Found, bytes] | None:
        """Return a whole, checked body if it is known and in the system's page cache, else None: `FileStore.get` decides."""
        place = self._places.get(key)
        if place is None:
            return None
        path, found = place
        try:
            body = _in_memory(path, found.size)
        except BlockingIOError:
            return None  # on the disk only
        except OSError:  # evicted or purged; or a file system that cannot tell what is in memory
            body = None
        if body is None or checksum_of(key, found.meta, hashlib.sha256(body).digest()) != found.checksum:
            self.forget(key)
            return None
        return found, body


def _in_memory(path: str, size: int) -> bytes | None:
    """Return a file of exactly `size` bytes, None if it has another size. Raises BlockingIOError: not all is in memory."""
    assert _NO_WAIT is not None
    room = bytearray(size + 1)
    # Opening takes no disk either: what was read lately and has pages in memory has its name and node there too.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        got = os.preadv(fd, (room,), 0, _NO_WAIT)
        if 0 < got < size:  # a part is in memory, or the file is shorter: the thread will see
            raise BlockingIOError
    finally:
        os.close(fd)
    return bytes(memoryview(room)[:size]) if got == size else None

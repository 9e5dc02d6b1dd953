"""Files of a store that were read lately: reading one again asks no index, needs no thread, and waits for no disk."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from typing import TypeAlias

from tintype.kit.files import checksum_of
from tintype.kit.rows import Found
from tintype.ports import Clock

_MOST = 16_384  # files known, about 1 kB of memory each
_LARGEST = 256 * 1024  # of a file: longer ones are read and hashed in a thread
# How long a file's checksum is not computed again while nobody has written to it. Only a disk that turns bits by itself
# could be served meanwhile, and only if memory was so short that the file was read from it again within that time.
_CHECKED_S = 60.0
_USED_S = 60  # uses closer together are noted once
_SETTLED_S = 1.0  # a change this close to the last one might show no later time
# Take what is in memory; what is not is no answer, instead of a wait. Linux has it.
_NO_WAIT: int | None = getattr(os, "RWF_NOWAIT", None)

# Node, size and times of a file: the same as long as nobody wrote to it, and no program can set the last.
_Stamp: TypeAlias = tuple[int, int, int, int]


class _Place:
    """Where a file is, what its last check found, and when it was last noted as used."""

    __slots__ = ("checked_until", "found", "path", "stamp", "used")

    def __init__(self, path: str, found: Found) -> None:
        self.path, self.found = path, found
        self.stamp: _Stamp | None = None
        self.checked_until = self.used = 0.0


class Hot:
    """Where files are, by key, and what they must hash to. From any thread.

    A place may be out of date: files are never rewritten, and a number is given once in the life of an index, so that
    what lies there is the file, or nothing, or (the index was damaged and began anew) something whose stamp and checksum
    differ.
    """

    def __init__(self, file: Callable[[int], str], clock: Clock) -> None:
        self._file, self._clock = file, clock
        self._places: dict[bytes, _Place] = {}
        self._lock = threading.Lock()

    def note(self, key: bytes, found: Found) -> None:
        """Remember a file that was just read and found whole."""
        if found.size > _LARGEST or _NO_WAIT is None:
            return
        with self._lock:
            self._places.pop(key, None)
            self._places[key] = _Place(self._file(found.id), found)
            if len(self._places) > _MOST:
                del self._places[next(iter(self._places))]

    def forget(self, key: bytes) -> None:
        with self._lock:
            self._places.pop(key, None)

    def read(self, key: bytes) -> tuple[Found, bytes, bool] | None:
        """Return a whole, checked body that is known and in the system's page cache, and whether to note its use.

        None: `FileStore.get` decides.
        """
        place = self._places.get(key)
        if place is None:
            return None
        try:
            body = self._whole(key, place)
        except BlockingIOError:
            return None  # on the disk only
        except OSError:  # evicted or purged; or a file system that cannot tell what is in memory
            body = None
        if body is None:
            self.forget(key)
            return None
        now = self._clock.now()
        due = now >= place.used + _USED_S
        if due:
            place.used = now
        return place.found, body, due

    def _whole(self, key: bytes, place: _Place) -> bytes | None:
        found = place.found
        stamp, body = _in_memory(place.path, found.size)
        if body is None or (stamp == place.stamp and self._clock.monotonic() < place.checked_until):
            return body
        if checksum_of(key, found.meta, hashlib.sha256(body).digest()) != found.checksum:
            return None
        changed_s = stamp[-1] / 1e9
        place.stamp = stamp if changed_s + _SETTLED_S < self._clock.now() else None
        place.checked_until = self._clock.monotonic() + _CHECKED_S
        return body


def _in_memory(path: str, size: int) -> tuple[_Stamp, bytes | None]:
    """Return a file of exactly `size` bytes, None if it has another size. Raises BlockingIOError: not all is in memory."""
    assert _NO_WAIT is not None
    room = bytearray(size)
    # Opening takes no disk either: what was read lately and has pages in memory has its name and node there too.
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        facts = os.fstat(fd)
        stamp = (facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
        if facts.st_size != size:
            return stamp, None
        if os.preadv(fd, (room,), 0, _NO_WAIT) < size:  # a part is in memory
            raise BlockingIOError
    finally:
        os.close(fd)
    return stamp, bytes(room)

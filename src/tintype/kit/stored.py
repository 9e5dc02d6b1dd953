"""What a file store returns: a body with what was kept with it, or an open file."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Self


@dataclass(frozen=True, slots=True)
class Stored:
    """A body and what was kept with it."""

    meta: bytes
    body: bytes


class StoredFile:
    """An open, read-only file; stays readable until `close`, even when it is evicted meanwhile. A context manager."""

    __slots__ = ("_fd", "meta", "size")

    def __init__(self, fd: int, size: int, meta: bytes) -> None:
        self._fd, self.size, self.meta = fd, size, meta

    def fd(self) -> int:
        """Return the descriptor, owned by this object, at offset 0 unless it was read from."""
        return self._fd

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __del__(self) -> None:  # a caller that was cancelled while the file was being opened never sees it
        self.close()

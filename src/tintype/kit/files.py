"""Files by number in fan-out folders, temporary files beside them, and the lock that makes one process their owner."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import itertools
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from tintype.core.errors import Misconfigured

BLOCK = 4096  # what a file's last piece costs on the usual file systems
_FANOUT = 64  # 8,000 files a folder at half a million entries; each folder costs one block
_CHUNK = 1 << 20
_LOST = "lost-"
CHECKSUM_BYTES = 16  # of a SHA-256


def on_disk(size: int) -> int:
    """Return the bytes of disk that a file of `size` bytes takes: whole blocks, and one for the smallest."""
    return max(BLOCK, -(-size // BLOCK) * BLOCK)


def checksum(key: bytes, meta: bytes, body: bytes) -> bytes:
    """Return the `CHECKSUM_BYTES` that tie a body to its key and meta: a file under another's name does not pass."""
    return _tied(key, meta, body)


def checksum_of(key: bytes, meta: bytes, sha256: bytes) -> bytes:
    """Return the same of a body's SHA-256, which who fetched it knows already."""
    return _tied(key, meta, len(sha256).to_bytes(8, "big") + sha256)


def _tied(key: bytes, meta: bytes, last: bytes) -> bytes:
    digest = hashlib.sha256()  # processors have instructions for it, and none for the others
    for part in (key, meta):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    digest.update(last)
    return digest.digest()[:CHECKSUM_BYTES]


def sha256_fd(fd: int) -> bytes:
    """Return the SHA-256 of what can be read from a descriptor; moves no offset."""
    digest, offset = hashlib.sha256(), 0
    while chunk := os.pread(fd, _CHUNK, offset):
        digest.update(chunk)
        offset += len(chunk)
    return digest.digest()


def write(file: str, body: bytes) -> None:
    """Write a file, over what may lie there; on any failure (disk full, size limit) nothing is left of it."""
    fd = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        left = memoryview(body)
        while left:
            left = left[os.write(fd, left) :]
    except OSError:
        remove(file)
        raise
    finally:
        os.close(fd)


def read_all(file: str, size: int) -> bytes | None:
    """Return a file's bytes if there are `size` of them, else None. Raises FileNotFoundError."""
    fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if os.fstat(fd).st_size != size:
            return None
        parts = [os.read(fd, size)]  # one call, for all but files beyond 2 GiB or a damaged disk
        while parts[-1] and (got := sum(map(len, parts))) < size:
            parts.append(os.read(fd, size - got))
    finally:
        os.close(fd)
    body = b"".join(parts) if len(parts) > 1 else parts[0]
    return body if len(body) == size else None


def remove(file: str | Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(file)  # noqa: PTH108 - a path object takes longer to make than a file to remove


class Shelf:
    """Files named by number below `folder/files`, and temporary ones in `folder/temp`, on one file system.

    Names of files are strings: several path objects a file took as long as all else that is done with one.
    """

    def __init__(self, folder: Path) -> None:
        self._files, self.temp = folder / "files", folder / "temp"
        self._numbered, self._unnamed = f"{self._files}", f"{self.temp}/{os.getpid()}-"
        self._names = itertools.count()
        for path in (self._files, self.temp):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def file(self, number: int) -> str:
        return f"{self._numbered}/{number % _FANOUT:02x}/{number:x}"

    def temporary(self) -> str:
        return f"{self._unnamed}{next(self._names)}"

    def place(self, body: bytes | str, number: int) -> None:
        """Write a body under its number, or move the finished file of this name there; over an orphan that may lie there."""
        file = self.file(number)
        try:
            _put(body, file)
        except FileNotFoundError:
            os.makedirs(os.path.dirname(file), 0o700, exist_ok=True)  # noqa: PTH103, PTH120
            _put(body, file)

    def remove(self, number: int) -> None:
        remove(self.file(number))

    def folders_bytes(self, last: int) -> int:
        return min(_FANOUT, last + 1) * BLOCK

    def take_back(self, number: int, body: bytes | str) -> None:
        """Undo `place`."""
        if isinstance(body, str):
            os.replace(self.file(number), body)  # noqa: PTH105
        else:
            self.remove(number)

    def is_empty(self) -> bool:
        return not any(self._files.iterdir())

    def lose(self) -> None:
        """Put all files out of sight at once; `sweep_lost` removes them."""
        self._files.replace(self.temp / f"{_LOST}{os.getpid()}-{next(self._names)}")
        self._files.mkdir(mode=0o700)

    def has_lost(self) -> bool:
        return any(self.temp.glob(f"{_LOST}*"))

    def sweep(self) -> None:
        """Remove what a kill left half written: at most as many files as were being written."""
        for path in list(self.temp.iterdir()):
            if not path.name.startswith(_LOST):
                remove(path)

    def sweep_lost(self, stop: Callable[[], bool]) -> bool:
        """Remove files put out of sight, until told to stop; True = all are gone."""
        for tree in list(self.temp.glob(f"{_LOST}*")):
            for folder in list(tree.iterdir()):
                if not _emptied(folder, stop):
                    return False
            shutil.rmtree(tree, ignore_errors=True)
        return True


def _put(body: bytes | str, file: str) -> None:
    if isinstance(body, str):
        os.replace(body, file)  # noqa: PTH105
    else:
        write(file, body)


def _emptied(folder: Path, stop: Callable[[], bool]) -> bool:
    with os.scandir(folder) as found:
        for file in found:
            if stop():
                return False
            remove(file.path)
    return True


def own(folder: Path, wait_s: float) -> int:
    """Become the only process that uses a folder; returns the descriptor that holds the lock.

    The lock belongs to the process, so it ends with it however it ends, and children do not inherit it.

    Raises:
        Misconfigured: another process still holds it after `wait_s`.
    """
    fd = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() < until:
                time.sleep(0.05)
                continue
            os.close(fd)
            raise Misconfigured(
                f"{folder} is in use by another process; stop it, or give this one a folder of its own"
            ) from None
        return fd

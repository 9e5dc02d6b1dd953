"""Bodies on their way from an origin: spooled to a file while they are hashed, then held open for those who asked."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Protocol, Self

from tintype.core.binding import Binding
from tintype.core.errors import SourceFailed, SourceTooLarge
from tintype.core.foreign import foreign_name
from tintype.core.sniff import HEAD_BYTES, sniff
from tintype.kit.files import remove

# Small pieces are written together: each write finds its place in the file anew. Bytes, and how many the kernel takes
# from where they are (IOV_MAX of Linux and macOS is 1024); more are tiny ones, joined first.
_BATCH, _VECTOR = 256 * 1024, 512


class Spool:
    """A sink on a new file, made with the first byte: what is unchanged needs none.

    `account` is told of the bytes that are on disk; after the end of a fetch that succeeded they are for others to settle.
    `began` is called with the first byte.
    """

    def __init__(
        self,
        path: str,
        most: int,
        account: Callable[[int], None] = lambda _: None,
        began: Callable[[], None] = lambda: None,
    ) -> None:
        self.path, self.size = path, 0
        self._began = began
        self._most, self._account, self._written = most, account, 0
        self._hash = hashlib.sha256()
        self._pieces: list[bytes] = []
        self._held = 0
        self._fd = -1
        self._closed = False
        self._lock = threading.Lock()

    @property
    def digest(self) -> str:
        """The SHA-256 of what was written. Raises as `write`."""
        with self._lock:
            self._flush()
        return self._hash.hexdigest()

    def write(self, chunk: bytes, /) -> None:
        """Take a piece of the body, from any thread.

        Raises:
            SourceTooLarge: it is one too many.
            SourceFailed: the disk is full, or nobody waits for this body any more.
        """
        if not self.size:
            self._began()
        self.size += len(chunk)
        if self.size > self._most:
            raise SourceTooLarge(f"The source has more than the {self._most} bytes that are allowed")
        # A reader's thread may outlive the fetch; the lock keeps it from writing to a number that means another file.
        with self._lock:
            self._pieces.append(chunk)
            self._held += len(chunk)
            if self._held >= _BATCH or self._closed:
                self._flush()

    def body(self) -> Body:
        """End writing, and return the body, which needs neither the spool nor the file's name. Raises as `write`."""
        with self._lock:
            self._flush()
            body = Body(self._file(), self.size)
            self._fd, self._closed = -1, True
        return body

    def close(self) -> None:
        """End writing; the file stays."""
        with self._lock:
            self._closed = True
            self._pieces.clear()
            fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def _flush(self) -> None:
        pieces, size = self._pieces, self._held
        if not size:
            return
        self._pieces, self._held = [], 0
        if len(pieces) > _VECTOR:
            pieces = [b"".join(pieces)]
        file = self._file()
        self._account(size)
        self._written += size
        try:
            _write_all(file, pieces, size)
        except OSError as error:
            raise _unwritten(error) from None
        for piece in pieces:
            self._hash.update(piece)

    def _file(self) -> int:
        if self._closed:
            raise SourceFailed("The fetch has ended")
        if self._fd < 0:
            try:
                self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            except OSError as error:
                raise _unwritten(error) from None
        return self._fd

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        if kind is not None:
            remove(self.path)
            self._account(-self._written)


class OpenFile(Protocol):
    """A file someone opened for us."""

    def fd(self) -> int: ...
    def close(self) -> None: ...


class Body:
    """An open file without a need for a name. Closed when nobody refers to it any more."""

    __slots__ = ("_fd", "size")

    def __init__(self, fd: int, size: int) -> None:
        self._fd, self.size = fd, size

    def fd(self) -> int:
        return self._fd

    def reopen(self) -> Body:
        """Return the same bytes, read-only, with an offset of their own."""
        try:
            fd = os.open(f"/proc/self/fd/{self._fd}", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # no /proc: the offset is shared then
            fd = os.dup(self._fd)
        return Body(fd, self.size)

    def close(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:
        if self._fd >= 0:
            self.close()


class SourceLease:
    """Source bytes for as long as they are needed; what happens to the store meanwhile does not matter."""

    def __init__(self, binding: Binding, file: OpenFile) -> None:
        self.binding = binding
        self._file = file
        head = os.pread(file.fd(), HEAD_BYTES, 0)
        self.format = sniff(head)
        self.foreign = "" if self.format else foreign_name(head)

    def fd(self) -> int:
        return self._file.fd()

    def close(self) -> None:
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _unwritten(error: OSError) -> SourceFailed:
    return SourceFailed(f"The source could not be written to disk: {error.strerror}")


def _write_all(fd: int, pieces: Sequence[bytes], size: int) -> None:
    """Write pieces from where they are, without a copy that joins them."""
    written = os.writev(fd, pieces)
    if written < size:
        left = memoryview(b"".join(pieces))[written:]
        while left:
            left = left[os.write(fd, left) :]

"""Reads local:///path sources from below one root, which no `..` and no symbolic link leads out of.

A file is copied while it is hashed, so that what is rendered is what was hashed, whatever happens to the file.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import mimetypes
import os
import stat
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path, PurePosixPath

from tintype.core.binding import Binding
from tintype.core.errors import (
    Misconfigured,
    SourceDenied,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    TintypeError,
)
from tintype.core.formats import FACTS
from tintype.ports import Clock, Fetched, Forwarded, Sink

_CHUNK = 1 << 20
# Files read at once; a stalled network file system holds these threads and no others.
_READERS = 8
# A file changed this recently could change once more under the same time stamp (the kernel's tick is up to 10 ms).
_SETTLED_NS = 50_000_000
_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOCTTY | os.O_NONBLOCK  # a pipe does not keep us waiting

_OPENAT2 = 437  # the same on every architecture
_BENEATH = 0x08 | 0x02  # RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
_RETRIES = 8  # openat2 says EAGAIN when something was renamed while it looked

_MIME_TYPES = {facts.extension: facts.mime for facts in FACTS.values()}


class LocalFetcher:
    """Opens its root once, at construction: swapping the root's own path later changes nothing.

    Raises:
        Misconfigured: the root is no folder.
    """

    def __init__(self, root: Path, query_separator: str, clock: Clock) -> None:
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise Misconfigured(f"local_root {root} is not a folder that can be read: {error.strerror}") from None
        self._separator, self._clock = query_separator, clock
        self._threads = ThreadPoolExecutor(_READERS, "local")

    async def fetch(
        self,
        url: str,
        known: Binding | None,
        forwarded: Forwarded,  # noqa: ARG002 files need no headers
        sink: Sink,
        deadline: float,
    ) -> Fetched:
        """Copy a file, or say that it is unchanged; see the port."""
        loop = asyncio.get_running_loop()
        etag = known.etag if known else ""
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                return await loop.run_in_executor(self._threads, self._copy, self._path(url), etag, sink)
        except TimeoutError:
            raise SourceSlow("The local file could not be read in time") from None

    def close(self) -> None:
        """Start no more reads. The root is closed when the last one has ended, however long it hangs."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    def __del__(self) -> None:
        if hasattr(self, "_root"):
            os.close(self._root)

    def _path(self, url: str) -> str:
        path = url.partition("://")[2].lstrip("/")
        if self._separator:
            path = path.partition(self._separator)[0]
        if not path or "\0" in path:
            raise SourceMissing
        if not {".", ".."}.isdisjoint(path.split("/")):  # what was allowed is the text, so the text says where it is
            raise SourceDenied("The path has a . or .. between slashes; write where the file is")
        return path

    def _copy(self, path: str, known_etag: str, sink: Sink) -> Fetched:
        fd = self._open(path)
        try:
            before = os.fstat(fd)
            if not stat.S_ISREG(before.st_mode):
                raise SourceMissing("The source is not a file")
            tag = _tag(before)
            if tag != known_etag:
                _pour(fd, sink)
                if _tag(os.fstat(fd)) != tag:
                    raise SourceIncomplete("The local file changed while it was read")
            settled = time.time_ns() - max(before.st_mtime_ns, before.st_ctime_ns) > _SETTLED_NS
        finally:
            os.close(fd)
        return Fetched(
            unchanged=tag == known_etag,
            etag=tag if settled else "",
            last_modified=formatdate(before.st_mtime, usegmt=True),
            content_type=_content_type(path),
        )

    def _open(self, path: str) -> int:
        try:
            return open_beneath(self._root, path)
        except OSError as error:
            raise _refusal(error) from None


def open_beneath(root: int, path: str) -> int:
    """Open a file below a folder for reading; symbolic links may not lead out of it.

    Raises:
        OSError: EXDEV or ELOOP for a path that would leave the folder, else as open(2).
    """
    try:
        return _openat2(root, path)
    except OSError as error:
        if error.errno not in (errno.ENOSYS, errno.EPERM):
            raise
    return open_walking(root, path)


def open_walking(root: int, path: str) -> int:
    """Do the same where the kernel (or a container's seccomp filter) has no openat2: follow no symbolic link at all."""
    *folders, name = PurePosixPath(path).parts
    if ".." in (*folders, name):
        raise OSError(errno.EXDEV, "leaves the root")
    here = os.dup(root)
    try:
        for folder in folders:
            below = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(name, _FLAGS | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)


class _How(ctypes.Structure):
    """struct open_how of openat2(2)."""

    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


def _openat2(root: int, path: str) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, "no openat2")
    how = _How(_FLAGS, 0, _BENEATH)
    syscall = ctypes.CDLL(None, use_errno=True).syscall
    for _ in range(_RETRIES):
        size = ctypes.c_size_t(ctypes.sizeof(how))
        fd = syscall(ctypes.c_long(_OPENAT2), ctypes.c_int(root), os.fsencode(path), ctypes.byref(how), size)
        if fd >= 0:
            return int(fd)
        if ctypes.get_errno() != errno.EAGAIN:
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _pour(fd: int, sink: Sink) -> None:
    while chunk := os.read(fd, _CHUNK):
        sink.write(chunk)


def _tag(facts: os.stat_result) -> str:
    # ctime cannot be set, so it tells of a rewrite that puts size and mtime back as they were.
    numbers = (facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
    return '"' + "-".join(f"{number:x}" for number in numbers) + '"'


def _content_type(path: str) -> str:
    extension = PurePosixPath(path).suffix.lower().lstrip(".")
    guess = _MIME_TYPES.get(extension) or mimetypes.guess_type("x." + extension, strict=False)[0]
    return guess or "application/octet-stream"


def _refusal(error: OSError) -> TintypeError:
    match error.errno:
        case errno.EXDEV | errno.ELOOP:
            return SourceDenied("The path leads out of local_root")
        case errno.EACCES | errno.EPERM:
            return SourceRefused("The local file may not be read")
        case _:
            return SourceMissing()

"""Operating-system processes: starting one with next to no environment, seeing it end, ending it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Protocol

import tintype
from tintype.engine.channel import pair

COMMAND = (sys.executable, "-P", "-m", "tintype.worker")

# What the operator may set for the codecs' sake; nothing else of our environment reaches a worker.
_PASSED = ("LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH")
_FIXED = {
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "VIPS_CONCURRENCY": "1",
    "VIPS_DISC_THRESHOLD": "100g",  # never a temporary file: the sandbox has no place for one
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONNOUSERSITE": "1",
    "MALLOC_ARENA_MAX": "1",  # one image at a time: a second arena costs memory and wins nothing
    # Huge pages where the kernel has them: pixels are taken from it and given back with each image, and touching small pages
    # for the first time takes up to a tenth of a job (docs/decisions/0014).
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}


class Process(Protocol):
    """A worker's process, however it came to be."""

    @property
    def pid(self) -> int: ...
    def kill(self) -> None: ...
    def watch(self, ended: Callable[[int], None]) -> None:
        """Call `ended` once with the return code: negative = the number of a signal."""

    def last_words(self) -> str:
        """What it wrote to its standard error before it was confined."""
        ...


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """Return a worker's environment: fixed, but for the few variables that say where libraries and fonts are."""
    passed = {name: ours[name] for name in _PASSED if ours.get(name)}
    own = {"PYTHONPATH": str(Path(tintype.__file__).resolve().parent.parent)}
    return {**_FIXED, **passed, **own}


class Spawned:
    """A process started from a program. To be made on the thread of the loop: PDEATHSIG is about the starting thread."""

    def __init__(self, command: Sequence[str]) -> None:
        self.socket, theirs = pair()
        self._stderr = _scratch()
        try:
            with theirs:
                self._popen = _popen(command, theirs.fileno(), self._stderr.fileno(), environment(os.environ))
        except OSError:
            self.socket.close()
            self._stderr.close()
            raise

    @property
    def pid(self) -> int:
        return self._popen.pid

    def kill(self) -> None:
        self._popen.kill()

    def watch(self, ended: Callable[[int], None]) -> None:
        loop = asyncio.get_running_loop()
        try:
            pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # macOS, or Linux before 5.3: a thread that waits
            loop.run_in_executor(None, self._popen.wait).add_done_callback(lambda _: self._reap(ended))
            return

        def reap() -> None:
            loop.remove_reader(pidfd)
            os.close(pidfd)
            self._reap(ended)

        loop.add_reader(pidfd, reap)

    def _reap(self, ended: Callable[[int], None]) -> None:
        with self._stderr:
            ended(self._popen.wait())

    def last_words(self) -> str:
        size = os.fstat(self._stderr.fileno()).st_size
        return os.pread(self._stderr.fileno(), 2000, max(0, size - 2000)).decode(errors="replace").strip()


def _scratch() -> IO[bytes]:
    """Make a file in memory, on disk where the platform has no memfd; gone when closed."""
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("stderr"), "r+b")
    return tempfile.TemporaryFile()


def _popen(command: Sequence[str], stdin: int, stderr: int, env: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start with the socket as descriptor 0, in a process group of its own so that no terminal signals it.

    Not in a session of its own: Linux shares the CPU between sessions first (sched_autogroup), where `nice` counts for nothing.
    """
    return subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=stdin,
        stdout=subprocess.DEVNULL,
        stderr=stderr,
        env=env,
        close_fds=True,
        process_group=0,
    )


class Forked:
    """A child of a zygote, known by the pidfd that the zygote sends once it has forked."""

    def __init__(self) -> None:
        self.pid = 0
        self._pidfd = -1
        self._doomed = False
        self._code: int | None = None
        self._ended: Callable[[int], None] | None = None

    def kill(self) -> None:
        self._doomed = True
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):  # ended, and the zygote has yet to say so
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def watch(self, ended: Callable[[int], None]) -> None:
        self._ended = ended
        if self._code is not None:
            ended(self._code)

    def last_words(self) -> str:
        return ""

    def born(self, pid: int, pidfd: int) -> None:
        self.pid, self._pidfd = pid, pidfd
        if self._doomed:
            self.kill()

    def died(self, code: int) -> None:
        if self._code is None:
            self._code = code
            if self._pidfd >= 0:
                os.close(self._pidfd)
                self._pidfd = -1
            if self._ended is not None:
                self._ended(code)

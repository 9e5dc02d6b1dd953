"""Writing the log from a thread of its own: who logs never waits for a slow pipe or disk.

A line that comes after a silence is written at once; in a stream of them, all that came within a tenth of a second are
written together. The process's end writes what is left, so lines come before what a supervisor says of the end.
"""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections import deque
from collections.abc import Callable
from typing import TextIO

_PAUSE_S = 0.1
_MOST = 16_384  # lines that wait; a reader that is further behind loses some, and is told how many
_END_S = 2.0  # a pipe that nobody reads must not hold up the end


class Behind:
    """A text stream of lines. From any thread; bounded; what cannot be written (closed pipe, full disk) is lost.

    `lost(n)` returns the line that tells of `n` lines that found no room.
    """

    def __init__(self, out: TextIO, lost: Callable[[int], str], most: int = _MOST) -> None:
        self._out, self._tell_lost, self._most = out, lost, most
        self._lines: deque[str] = deque()
        self._lost = 0
        self._asleep, self._ended = True, threading.Event()
        self._woken = threading.Event()
        self._thread: threading.Thread | None = None
        self._starting, self._writing = threading.Lock(), threading.Lock()

    def write(self, line: str) -> None:
        """Take a line, with its end."""
        if len(self._lines) >= self._most:
            self._lost += 1
            return
        self._lines.append(line)
        if self._asleep:  # else it will be written soon, and a look at this is all that it costs
            self._wake()

    def end(self) -> None:
        """Write what waits, within two seconds; lines that come later are written as they come."""
        self._asleep = True
        self._ended.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(_END_S)

    def _wake(self) -> None:
        if self._ended.is_set():
            self._write_all()
            return
        self._asleep = False
        if self._thread is None:
            self._start()
        self._woken.set()

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="log", daemon=True)
                self._thread.start()
                atexit.register(self.end)

    def _run(self) -> None:
        while not self._ended.is_set():
            self._woken.wait()
            self._woken.clear()
            self._write_all()
            self._ended.wait(_PAUSE_S)
            self._asleep = True
            if self._lines:  # came during the pause, and woke nobody
                self._wake()
        self._write_all()

    def _write_all(self) -> None:
        with self._writing, contextlib.suppress(OSError, ValueError):
            text = "".join([self._lines.popleft() for _ in range(len(self._lines))])
            if self._lost:
                lost, self._lost = self._lost, 0
                text += self._tell_lost(lost)
            if text:
                self._out.write(text)
                self._out.flush()

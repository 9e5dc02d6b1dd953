"""Making workers: started as programs, or forked from a zygote where they change often. Backs off when that fails."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

from msgspec.structs import replace

from tintype.core.messages import Setup
from tintype.engine.channel import encode
from tintype.engine.process import Spawned
from tintype.engine.task import Task
from tintype.engine.worker import Worker
from tintype.engine.zygote import Zygote

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 10.0


def pause_s(failures: int) -> float:
    """Return how long to wait before the next start, after so many failed in a row."""
    return min(_FIRST_PAUSE_S * 2.0 ** min(failures - 1, 20), _LONGEST_PAUSE_S) if failures > 0 else 0.0


class Starts:
    """Starts workers on demand. `changed` is called when it may be able to start more."""

    def __init__(self, command: Sequence[str], setup: Setup, *, forks: bool, changed: Callable[[], None]) -> None:
        self._command, self._setup, self._forks, self._changed = command, setup, forks, changed
        self._zygote: Zygote | None = None
        self._failures = 0
        self.failure = ""  # why the last start failed
        self.closed = False

    @property
    def pause_s(self) -> float:
        return pause_s(self._failures)

    @property
    def idle(self) -> bool:
        """Whether there is no zygote, or none any more."""
        return self._zygote is None

    def start(self, changed: Callable[[Worker], None], lost: Callable[[Worker, Task], None]) -> Worker | None:
        """Make a worker; None if that cannot be done now (no zygote yet, or no resources)."""
        try:
            return self._fork(changed, lost) if self._forks else self._spawn(changed, lost)
        except OSError as error:
            self.failed(f"a process could not be started: {error}")
            return None

    def failed(self, reason: str) -> None:
        self.failure = reason
        self._failures += 1

    def succeeded(self) -> None:
        self._failures = 0

    def close(self) -> None:
        self.closed = True
        if self._zygote is not None:
            self._zygote.end()

    def _spawn(self, changed: Callable[[Worker], None], lost: Callable[[Worker, Task], None]) -> Worker:
        process = Spawned(self._command)
        worker = Worker(process, process.socket, changed, lost)
        worker.send(encode(replace(self._setup, parent=os.getpid())))
        return worker

    def _fork(self, changed: Callable[[Worker], None], lost: Callable[[Worker, Task], None]) -> Worker | None:
        if self._zygote is None:
            self._zygote = Zygote(Spawned(self._command), self._zygote_changed)
            self._zygote.send(encode(replace(self._setup, parent=os.getpid(), zygote=True)))
        if self._zygote.ready is None:
            return None
        child, sock = self._zygote.fork()
        return Worker(child, sock, changed, lost)

    def _zygote_changed(self, zygote: Zygote) -> None:
        if zygote.ready is None:
            self._zygote = None
            if not self.closed:
                self.failed(zygote.failure or "the zygote ended")
        self._changed()

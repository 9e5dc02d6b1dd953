"""What a process and everything below it take: CPU seconds, background work included, and memory at its peak."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import psutil

_IDLE_OF_A_CORE = 0.03
_LOOK_S, _LOOKS = 0.25, 2  # more than one: on a machine that is busy, who waits for it looks idle


class Tree:
    """Processes with their children, children of children and so on."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._roots = [psutil.Process(pid) for pid in pids]

    def processes(self) -> list[psutil.Process]:
        found = []
        for root in self._roots:
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [root, *root.children(recursive=True)]
        return found

    def cpu_s(self) -> float:
        """Return CPU seconds so far, also of children that ended and were waited for."""
        total = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
        return total

    def memory(self) -> int:
        """Return bytes in memory, pages that processes share divided among them where the system tells (PSS)."""
        total = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                full = process.memory_full_info()
                total += getattr(full, "pss", 0) or full.rss
        return total

    def settle(self, most_s: float = 20.0) -> None:
        """Wait until nothing is being worked on: what was put off to the background is work too."""
        until = time.monotonic() + most_s
        before, idle = self.cpu_s(), 0
        while idle < _LOOKS and time.monotonic() < until:
            time.sleep(_LOOK_S)
            now = self.cpu_s()
            idle = idle + 1 if now - before < _LOOK_S * _IDLE_OF_A_CORE else 0
            before = now


@dataclass
class Peak:
    """The most memory that was seen, in bytes."""

    bytes: int = 0
    samples: int = 0
    _done: threading.Event = field(default_factory=threading.Event)

    def look(self, tree: Tree, every_s: float) -> None:
        while True:
            self.bytes, self.samples = max(self.bytes, tree.memory()), self.samples + 1
            if self._done.wait(every_s):
                return


@contextlib.contextmanager
def watching(tree: Tree, peak: Peak, every_s: float = 0.3) -> Iterator[None]:
    """Sample a tree's memory while the block runs."""
    peak._done.clear()
    thread = threading.Thread(target=peak.look, args=(tree, every_s), daemon=True)
    thread.start()
    try:
        yield
    finally:
        peak._done.set()
        thread.join()

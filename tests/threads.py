"""Threads of tests that do one thing after another beside what is tested."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Self


class Threads:
    """Threads that run while a block does; each ends soon after `stop` is set."""

    def __init__(self, targets: Sequence[Callable[[], None]]) -> None:
        self.stop = threading.Event()
        self._threads = [threading.Thread(target=target) for target in targets]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        for thread in self._threads:
            thread.join(60)

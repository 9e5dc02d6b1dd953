"""The requests that wait for a worker, and the heavy ones that have one: what the lanes decide on."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Set as AbstractSet

from tintype.engine.lanes import Lanes, Waiting
from tintype.engine.task import Task
from tintype.engine.turnover import Owner


class Line:
    """Tasks in order of arrival. Who bounds it is the pool, which refuses what is too much."""

    def __init__(self, lanes: Lanes) -> None:
        self._lanes = lanes
        self._tasks: deque[Task] = deque()
        self._heavy: set[Task] = set()
        self._heavy_ended = -math.inf

    def __len__(self) -> int:
        return len(self._tasks)

    def join(self, task: Task) -> None:
        self._tasks.append(task)

    def rejoin(self, task: Task) -> None:
        """Take a task back that came earlier than all others."""
        task.over = True
        self._tasks.appendleft(task)

    def leave(self, task: Task) -> bool:
        """Take a task out; returns whether it was there."""
        if task not in self._tasks:
            return False
        self._tasks.remove(task)
        return True

    def clear(self) -> list[Task]:
        """Take all out."""
        tasks = list(self._tasks)
        self._tasks.clear()
        return tasks

    def began(self, task: Task) -> None:
        """Note that a worker has a task."""
        task.over = False
        if self._lanes.heavy(task.cpu_ms):
            self._heavy.add(task)

    def next(self, now: float, kept: AbstractSet[Owner | None]) -> Task | None:
        """Return whose turn it is on a free worker, without taking it out. `kept`: owners for whom idle workers are kept."""
        heavy_busy = self._heavy_busy(now)
        if not self._tasks:
            return None
        if not kept and not self._lanes.heavy(self._tasks[0].cpu_ms):
            return self._tasks[0]  # which the lanes would say as well, after a look at every one
        waiting = [Waiting(task.cpu_ms, now - task.queued_at, task.owner in kept) for task in self._tasks]
        found = self._lanes.next(waiting, heavy_busy, now - self._heavy_ended)
        return None if found is None else self._tasks[found]

    def _heavy_busy(self, now: float) -> int:
        if over := {task for task in self._heavy if task.over}:
            self._heavy -= over
            self._heavy_ended = now
        return len(self._heavy)

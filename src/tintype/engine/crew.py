"""Which workers live: enough of them, fresh ones ready before they are needed, spent ones sent home."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tintype.core.errors import EngineFailed
from tintype.core.messages import Ready
from tintype.engine.exits import read_exit
from tintype.engine.starts import Starts
from tintype.engine.task import Task
from tintype.engine.turnover import Owner, Service, Turnover
from tintype.engine.worker import Phase, Worker
from tintype.ports import Clock, Telemetry


class Crew:
    """The workers of a pool: at most `size` of them busy. `changed` is called when one may have become free."""

    def __init__(
        self,
        size: int,
        turnover: Turnover,
        telemetry: Telemetry,
        clock: Clock,
        changed: Callable[[], None],
        lost: Callable[[Worker, Task], None],
        pool: str,
    ) -> None:
        self.size, self._turnover, self._telemetry, self._clock = size, turnover, telemetry, clock
        self._changed, self._lost, self._pool = changed, lost, pool
        self._workers: list[Worker] = []
        self._busy: set[Worker] = set()  # from when they are given a task until they are idle, or gone
        self._starts: Starts | None = None
        self._pause: asyncio.TimerHandle | None = None
        self._began: dict[Worker, float] = {}
        self.first: asyncio.Future[Ready] = asyncio.get_running_loop().create_future()
        self.empty = asyncio.Event()
        self._rest = asyncio.Event()

    @property
    def busy(self) -> int:
        return len(self._busy)

    def open(self, starts: Starts) -> None:
        self._starts = starts
        self.tend()

    @property
    def full(self) -> bool:
        return len(self._busy) >= self.size

    def pick(self, owner: Owner) -> Worker | None:
        """Return an idle worker that may serve an owner, the one that served it last if there is one."""
        fit = [] if self.full else self._idle()
        if self._turnover.forks:
            fit = [w for w in fit if self._turnover.may_serve(w.service, owner)]
        if len(fit) < 2:
            return fit[0] if fit else None
        return max(fit, key=lambda w: self._fitness(w.service, owner))

    def _fitness(self, service: Service, owner: Owner) -> tuple[bool, bool, bool]:
        return service.owner == owner, service.tenant == owner[0], not self._turnover.spent(service)

    def give(self, worker: Worker, task: Task, now: float) -> None:
        """Start a task on an idle worker. Raises OSError as the worker does."""
        worker.give(task, now)
        self._busy.add(worker)

    def kept(self) -> set[Owner | None]:
        """Return the owners for each of whom an idle worker is kept, and for nobody else."""
        if not self._turnover.keeps:
            return set()
        return {worker.service.owner for worker in self._idle() if self._turnover.kept(worker.service)}

    async def at_rest(self) -> None:
        """Wait until no worker is busy."""
        while self._busy:
            self._rest.clear()
            await self._rest.wait()

    def tend(self) -> None:
        """Start and end workers until the crew is as it should be. Called after every change."""
        self._note_empty()
        if self._starts is None or self._closed or self._pause is not None:
            return
        if self._turnover.forks:
            self._keep_stock()
        else:
            self._relieve()

    @property
    def _closed(self) -> bool:
        return self._starts is not None and self._starts.closed

    def close(self) -> None:
        """End every worker that is idle now; the pool has waited for the busy ones, and those still busy are killed."""
        if self._starts is not None:
            self._starts.close()
        for worker in list(self._workers):
            if worker.phase is Phase.BUSY:
                worker.kill()
            worker.end()
        self._note_empty()

    def _relieve(self) -> None:
        """Keep `size` workers that are not spent; a spent one serves on until its successor is ready.

        Successors start one after another: workers that share the work are spent together, and a start takes CPU and memory.
        """
        live = [w for w in self._workers if w.live]
        fresh = [w for w in live if not self._turnover.spent(w.service)]
        for _ in range(min(self.size - len(fresh), self.size + 1 - len(live))):
            if not self._start():
                return
        ready = sum(w.phase in (Phase.IDLE, Phase.BUSY) for w in self._workers)
        spent = [w for w in self._idle() if self._turnover.spent(w.service)]
        for worker in spent[: max(0, ready - self.size)]:
            worker.end()

    def _keep_stock(self) -> None:
        """Keep `size` workers that nobody has used; a few times as many live at all."""
        for worker in self._idle():
            if self._turnover.spent(worker.service):
                worker.end()
        while sum(w.live and w.service.fresh for w in self._workers) < self.size:
            if not self._make_room() or not self._start():
                return

    def _make_room(self) -> bool:
        if sum(w.live for w in self._workers) < self._turnover.stock * self.size:
            return True
        used = [w for w in self._idle() if not w.service.fresh]
        if used:
            used[0].end()
        return bool(used)

    def _idle(self) -> list[Worker]:
        return [w for w in self._workers if w.phase is Phase.IDLE]

    def _start(self) -> bool:
        assert self._starts is not None
        worker = self._starts.start(self._worker_changed, self._lost)
        if worker is None:
            self._after_failure()
            return False
        self._began[worker] = self._clock.monotonic()
        self._workers.append(worker)
        return True

    def _worker_changed(self, worker: Worker) -> None:
        self._busy.discard(worker)
        if not self._busy:
            self._rest.set()
        gone, begins = worker.phase is Phase.GONE, worker in self._began
        if gone:
            self._gone(worker)
        elif begins:
            self._started(worker)
        if gone or begins or self._turnover.forks or self._turnover.spent(worker.service):
            self.tend()
        if gone or begins:
            ready = sum(w.phase in (Phase.IDLE, Phase.BUSY) for w in self._workers)
            self._telemetry.gauge("engine_workers", ready, pool=self._pool)
        self._changed()

    def _started(self, worker: Worker) -> None:
        assert self._starts is not None
        assert worker.ready is not None
        self._starts.succeeded()
        took = self._clock.monotonic() - self._began.pop(worker)
        self._tell("engine.worker_started", pid=worker.process.pid, took_s=round(took, 3))
        if not self.first.done():
            self.first.set_result(worker.ready)

    def _gone(self, worker: Worker) -> None:
        self._workers.remove(worker)
        if self._began.pop(worker, None) is not None and worker.failure:
            assert self._starts is not None
            self._starts.failed(worker.failure)
            self._after_failure()
        if not self._closed:
            reason, cause = self._why(worker)
            self._telemetry.count("engine_restarts", reason=reason)
            self._tell("engine.worker_ended", pid=worker.process.pid, cause=cause, images=worker.service.images)
        self._note_empty()

    def _why(self, worker: Worker) -> tuple[str, str]:
        """Return why a worker is gone: in one word, and in more."""
        if worker.overdue:
            return "deadline", "still running after its deadline"
        if worker.code:
            end = read_exit(worker.code)
            return end.reason, end.cause
        return self._turnover.reason(worker.service), "replaced"

    def _tell(self, name: str, **facts: object) -> None:
        """Report on a worker; where they come and go with each image, only to those who want to see everything."""
        self._telemetry.event(name, level="debug" if self._turnover.forks else "info", **facts)

    def _after_failure(self) -> None:
        """Pause after a failed start, longer each time; say so."""
        assert self._starts is not None
        pause = self._starts.pause_s
        if pause == 0.0 or self._pause is not None or self._closed:
            return
        self._telemetry.event("engine.start_failed", reason=self._starts.failure[-2000:], retry_s=pause)
        if not self.first.done():
            self.first.set_exception(EngineFailed(f"no worker starts: {self._starts.failure}"))
        self._pause = asyncio.get_running_loop().call_later(pause, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self.tend()

    def _note_empty(self) -> None:
        if self._starts is None or (self._closed and self._starts.idle and not self._workers):
            self.empty.set()

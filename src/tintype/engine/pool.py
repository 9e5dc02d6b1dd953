"""The engine pool: a bounded queue in front of a crew of workers, and the ledger of images that crash them."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from tintype.admission.asker import Asker
from tintype.admission.costs.expect import kind_of
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Place, Queue
from tintype.core.errors import BrokenImage, DeadlinePassed, Draining, EngineFailed, Misconfigured, Poisoned, Shed
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.limits import Limits
from tintype.core.messages import Check, Input, Job, Probe, Ready, Setup
from tintype.core.plan import Cost, Plan, plan_key
from tintype.engine.channel import encode
from tintype.engine.crew import Crew
from tintype.engine.exits import read_exit
from tintype.engine.pixels import Kept, Use
from tintype.engine.poison import PoisonLedger
from tintype.engine.process import COMMAND
from tintype.engine.requests import check_sealed, job_of, new_id
from tintype.engine.results import read_done, read_info, read_proofs
from tintype.engine.settings import EngineSettings, SecuritySettings
from tintype.engine.starts import Starts
from tintype.engine.task import Task
from tintype.engine.turnover import Turnover
from tintype.engine.worker import GRACE_S, Worker
from tintype.ports import Clock, Finished, Measures

# Starting up, every codec proves that it is locked down; on a loaded machine too.
_CHECK_S = 60.0
_LONGEST_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Checkup:
    """What a real worker says of its sandbox, and what it has just proved of its codecs."""

    layers: tuple[str, ...]
    missing: tuple[str, ...]
    proofs: tuple[str, ...]


class Pool:
    """Port Engine. Requests wait in a queue; nothing that a worker began is tried twice; no thread per request.

    `gate`: lets renders in. `name`: the label of its metrics. `kept`: finished pixels, which pools may share.
    """

    def __init__(
        self,
        settings: EngineSettings,
        security: SecuritySettings,
        limits: Limits,
        telemetry: Measures,
        clock: Clock,
        gate: Gate,
        command: Sequence[str] | None = None,
        name: str = "answers",
        kept: Kept | None = None,
    ) -> None:
        self._settings, self._security, self._limits = settings, security, limits
        self._telemetry, self._clock, self._name = telemetry, clock, name
        self._command = tuple(command or COMMAND)
        self._ledger = PoisonLedger(settings.poison_crashes, settings.poison_s)
        self._gate, self._kept = gate, kept or Kept(0)
        self._queue: Queue[Task] = Queue(gate.rules)
        self._crew: Crew | None = None
        self._spare = asyncio.Event()
        self._draining = False
        telemetry.watch("engine_queue", lambda: len(self._queue.waiting), pool=name)
        telemetry.watch("engine_busy", lambda: self._crew.busy if self._crew else 0, pool=name)
        telemetry.watch("engine_memory_bytes", lambda: self._queue.running_bytes, pool=name)

    async def start(self) -> None:
        """Start the workers; returns when one is ready and has proved what it must. The others follow.

        Raises:
            EngineFailed: no worker starts; the message has its own words.
            Misconfigured: the sandbox lacks a layer and `security.require_sandbox` is set.
        """
        size = self._queue.rules.workers
        turnover = Turnover.of(self._settings.isolation, self._limits)
        setup = Setup(
            parent=os.getpid(),
            memory_bytes=self._limits.worker_memory_bytes,
            cpu_s=self._limits.image_cpu_s,
            result_bytes=self._limits.result_bytes,
            nice=self._settings.nice,
        )
        self._telemetry.gauge("engine_memory_limit_bytes", self._queue.rules.memory_bytes, pool=self._name)
        crew = self._crew = Crew(size, turnover, self._telemetry, self._clock, self._dispatch, self._lost, self._name)
        try:
            crew.open(Starts(self._command, setup, forks=turnover.forks, changed=crew.tend))
            self._judge(await asyncio.shield(crew.first))
            await self.check()
        except BaseException:
            await self.close()
            raise

    async def check(self) -> Checkup:
        """Have a worker prove once more that what must not decode does not."""
        deadline = self._clock.monotonic() + _CHECK_S
        asker = Asker("", deadline=deadline)
        proofs = await self._perform(self._task(Check(id=new_id()), (), asker, "", read_proofs))
        ready = await self._started().first
        return Checkup(ready.layers, ready.missing, proofs)

    async def probe(
        self, source: int, size: int, format: Format, *, asker: Asker, digest: str, source_pixels: int
    ) -> ImageInfo:
        """See port Engine."""
        message = Probe(id=new_id(), input=Input(format=format, size=size), source_pixels=source_pixels)
        task = self._task(message, (source,), asker, digest, read_info)
        task.suspect = lambda: (asker.tenant, digest, "probe")
        info: ImageInfo = await self._perform(task)
        return info

    async def run(
        self,
        inputs: Sequence[tuple[int, int, Format]],
        plans: Sequence[Plan],
        *,
        asker: Asker,
        digest: str,
        began: Callable[[], None] | None = None,
    ) -> Finished:
        """See port Engine."""
        with self._kept.use(asker.tenant, digest, plans if len(inputs) == 1 else ()) as use:
            task = self._render(inputs, plans, use, asker, digest)
            task.began = began
            done, bodies = await self._perform(task)
        for phase, ms in (("decode", done.decode_ms), ("steps", done.steps_ms), ("encode", done.encode_ms)):
            self._telemetry.count("engine_cpu_seconds", ms / 1000, phase=phase)
        return Finished(done=done, bodies=bodies, queued_s=(task.started_at or task.queued_at) - task.queued_at)

    def _render(
        self, inputs: Sequence[tuple[int, int, Format]], plans: Sequence[Plan], use: Use, asker: Asker, digest: str
    ) -> Task:
        most = self._limits.result_bytes
        job = job_of([(kind, size) for _, size, kind in inputs], plans, most, use)
        read = partial(read_done, plans=len(plans), most=most, keep=use.add)
        task = self._task(job, (*[fd for fd, _, _ in inputs], *use.fds), asker, digest, read)
        task.images, task.shortened = 1, bool(use.found)
        task.cost = Cost(sum(one.cost.cpu_ms for one in plans), max(one.cost.peak_bytes for one in plans))
        task.kind = kind_of(plans)
        tenant = asker.tenant
        task.suspect = lambda: (tenant, digest, "".join(plan_key(tenant, (digest,), plan, 0) for plan in plans))
        if use.found:
            self._telemetry.count("engine_finished_pixels", len(use.found))
        return task

    def only_encodes(self, tenant: str, digest: str, plan: Plan) -> bool:
        """See port Encodes."""
        return self._kept.has(tenant, digest, plan)

    async def spare(self) -> None:
        """See port Spare."""
        while not self._idle:
            self._spare.clear()
            await self._spare.wait()

    @property
    def _idle(self) -> bool:
        return self._crew is not None and not self._crew.full and not self._queue.waiting and not self._draining

    async def close(self) -> None:
        """See port Engine. Running work is bounded by its deadlines; this waits no longer than a request may take."""
        self._draining = True
        for place in list(self._queue.waiting):
            self._queue.leave(place)
            place.item.fail(Draining())
        crew = self._crew
        if crew is None:
            return
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(crew.at_rest(), self._limits.request_timeout_s + GRACE_S)
        crew.close()
        await crew.empty.wait()

    def _started(self) -> Crew:
        if self._crew is None:
            raise EngineFailed("the engine is not started")
        return self._crew

    def _task(
        self,
        message: Job | Probe | Check,
        fds: Sequence[int],
        asker: Asker,
        digest: str,
        read: Callable[..., Any],
    ) -> Task:
        for fd in fds:
            check_sealed(fd)
        return Task(
            id=message.id, packet=encode(message), fds=fds, asker=asker, owner=(asker.tenant, digest), read=read
        )

    async def _perform(self, task: Task) -> Any:
        """Queue a task and wait for its answer, no longer than its deadline."""
        now = self._clock.monotonic()
        self._admit(task, now)
        task.queued_at = now
        place = self._place(task, now)
        self._queue.join(place, now)
        self._dispatch()
        result = "failed"
        late = asyncio.get_running_loop().call_later(min(task.deadline - now, _LONGEST_S), task.fail, DeadlinePassed())
        try:
            answer = await task.future
            result = "done"
        except DeadlinePassed:
            result = "deadline"
            raise
        finally:
            late.cancel()
            self._leave(place)
            self._measure(task, "crashed" if task.crashed else result)
        return answer

    def _admit(self, task: Task, now: float) -> None:
        self._started()
        if self._draining:
            raise Draining
        if task.deadline <= now:
            raise DeadlinePassed
        if self._ledger and task.suspect is not None:
            wait_s = self._ledger.refused_s(task.suspect(), now)
            self._telemetry.gauge("poison_ledger", self._ledger.size(now), pool=self._name)
            if wait_s > 0:
                self._telemetry.count("poison")
                raise Poisoned(f"rendering this source crashed repeatedly; refused for {wait_s:.0f} s more")

    def _place(self, task: Task, now: float) -> Place[Task]:
        """Make a place in the queue for a task; what is more than a header to be read must be let in. Raises Shed."""
        if not task.images:
            task.ticket = self._gate.look(task.asker)
            return Place(task, task.asker, ms=0.0, brief=True)
        ms = self._gate.expected.of(task.kind, task.cost.cpu_ms)
        task.ticket = self._gate.render(task.asker, ms, now)
        return Place(task, task.asker, ms, task.cost.peak_bytes, heavy=task.ticket.heavy)

    def _leave(self, place: Place[Task]) -> None:
        """Take a task that nobody waits for any more out of the queue; one that runs runs on."""
        if self._queue.leave(place):
            self._return_ticket(place.item)

    def _return_ticket(self, task: Task) -> None:
        if task.ticket is not None:
            self._gate.leave(task.ticket)
            task.ticket = None

    def _dispatch(self) -> None:
        """Give waiting tasks to idle workers, and up what cannot be done in time."""
        crew, now = self._started(), self._clock.monotonic()
        self._settle(now)
        for whose, cost_s in self._gate.owed().items():
            self._queue.owes(whose, cost_s)
        for place in self._queue.given_up(now):
            self._return_ticket(place.item)
            place.item.fail(Shed("it has waited too long for a worker", reason="late"))
        while self._queue.waiting and not crew.full and self._served(crew, now):
            pass
        if self._idle:
            self._spare.set()

    def _served(self, crew: Crew, now: float) -> bool:
        """Give one waiting task to an idle worker; returns whether there was one that may begin."""
        kept = crew.kept()
        place = self._queue.next(now, (lambda task: task.owner in kept) if kept else None)
        worker = crew.pick(place.item.owner) if place else None
        if place is None or worker is None:
            return False
        self._give(crew, worker, place, now)
        return True

    def _settle(self, now: float) -> None:
        """Take off what workers are done with, and learn from how long it took."""
        for place in [place for place in self._queue.running if place.item.over]:
            task = place.item
            self._queue.ended(place, now)
            self._return_ticket(task)
            if task.images and task.started_at is not None and not task.crashed and not task.shortened:
                self._learn(task, (now - task.started_at) * 1000)

    def _learn(self, task: Task, took_ms: float) -> None:
        self._gate.learn(task.kind, task.cost.cpu_ms, took_ms)
        if task.asker.invested:  # it came of a fetch; where the source was there, so may be a rung, which takes less
            self._gate.expected.likely.learn(task.asker, took_ms)

    def _give(self, crew: Crew, worker: Worker, place: Place[Task], now: float) -> None:
        task = place.item
        try:
            crew.give(worker, task, now)
        except (BrokenPipeError, ConnectionResetError, BlockingIOError):
            worker.retire()  # it died a moment ago, of nothing of ours; the task goes to the next
        except OSError as error:
            self._queue.leave(place)
            self._return_ticket(task)
            task.fail(EngineFailed(f"an input could not be handed over: {error}"))
        else:
            task.over = False
            self._queue.began(place, now)
            if task.images and task.ticket is not None:
                self._gate.began(task.ticket, now)
            if task.began is not None:
                task.began()

    def _lost(self, worker: Worker, task: Task) -> None:
        """Settle a task whose worker died. If it was killed at its deadline, the caller has its answer already."""
        task.over = True
        end = read_exit(worker.code or 0)
        if worker.unbegun and self._put_back(task):
            return
        if worker.unbegun or not end.guilty or task.suspect is None:
            task.fail(EngineFailed(f"a worker ended: {end.cause}"))
            return
        task.crashed = True
        now = self._clock.monotonic()
        crashes = self._ledger.crashed(task.suspect(), now)
        self._telemetry.gauge("poison_ledger", self._ledger.size(now), pool=self._name)
        self._telemetry.count("engine_crashes", reason=end.cause)
        self._telemetry.event("engine.image_crashed", tenant=task.owner[0], cause=end.cause, crashes=crashes)
        task.fail(BrokenImage(f"the source ended its worker: {end.cause}"))

    def _put_back(self, task: Task) -> bool:
        """Let the next worker have a task that somebody waits for and that was put back never before."""
        if task.again or task.future.done() or self._draining:
            return False
        task.again, task.started_at = True, None
        self._queue.back(next(place for place in self._queue.running if place.item is task))
        return True

    def _judge(self, ready: Ready) -> None:
        """Say which layers hold; refuse to go on without all of them if the operator wants that."""
        self._telemetry.event("engine.sandbox", layers=ready.layers, missing=ready.missing)
        if not ready.missing:
            return
        self._telemetry.event("engine.sandbox_incomplete", level="warning", missing=ready.missing)
        if self._security.require_sandbox:
            lacking = "; ".join(ready.missing)
            raise Misconfigured(f"security.require_sandbox is set, and the sandbox lacks {lacking}")

    def _measure(self, task: Task, result: str) -> None:
        self._telemetry.count("engine_jobs", result=result)
        if task.started_at is not None:
            self._telemetry.observe("queue_seconds", task.started_at - task.queued_at, pool=self._name)
            kind = "run" if task.images else "probe"
            took = self._clock.monotonic() - task.started_at
            self._telemetry.observe("engine_seconds", took, kind=kind, pool=self._name)

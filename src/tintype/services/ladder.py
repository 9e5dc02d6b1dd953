"""Ladder: results of one source made together, or from a rung of it, and the rung made once it pays."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from msgspec.structs import replace

from tintype.admission.asker import Asker
from tintype.core.errors import ImageError
from tintype.core.ladder import due
from tintype.core.messages import MAX_PLANS
from tintype.core.plan import Load, Plan
from tintype.core.resolve import resolve_rung
from tintype.kit.flights import Flights
from tintype.ports import Encodes, Finished, Mezzanines, Telemetry
from tintype.services.crowd import Crowd
from tintype.services.jobs import Jobs
from tintype.services.look import View

# Called once a worker has the job.
Began: TypeAlias = Callable[[], None]


class Made(NamedTuple):
    """A result, and the view that it is of: the one asked for or its `low`. `read`: a rung that was there was read for it."""

    view: View
    finished: Finished
    read: bool = False


# What was made together, by the key of the view that was asked for.
Batch: TypeAlias = Mapping[str, Made]

# CPU time that one job of several results may be predicted to take: what is more goes alone, to another worker.
_MOST_MS = 500.0


class _Part(NamedTuple):
    """A result of a job: the key of the view asked for, the way it is made, and what has to be decoded for that."""

    asked: str
    way: View
    load: Load
    began: Began


class Ladder:
    """Runs views of sources that may have rungs.

    Most sources are asked for once, and a rung costs more than a result; so it is made when `core.ladder.due` says so.
    Results that are asked for together are made in one job as far as they decode alike, with the rung or without. Who comes
    while a rung is being made waits for it.
    """

    def __init__(
        self, mezzanines: Mezzanines, jobs: Jobs, engine: Encodes, flights: Flights[Batch], telemetry: Telemetry
    ) -> None:
        self._mezzanines = mezzanines
        self._jobs = jobs
        self._engine = engine
        self._flights = flights
        self._telemetry = telemetry
        self._open: dict[str, list[tuple[View, Began]]] = {}  # batches that more may join
        self._rising: set[str] = set()  # and those by which a rung is being made
        self.crowd = Crowd()

    async def __call__(self, view: View, began: Began) -> Made | None:
        """Return the result; None: it is to be made from the original, alone. Raises as jobs do."""
        if view.fallback or not view.laddered or self._only_encodes(view):
            self.crowd.arrived(view.want)
            return None
        try:
            return await self._read(view, began) or await self._batched(view, began)
        except ImageError:  # what makes no rung may still make this result
            return None

    def _only_encodes(self, view: View) -> bool:
        """Tell whether a rung would save nothing, as the pixels are there."""
        return self._engine.only_encodes(view.binding.tenant, view.binding.digest, view.plan)

    async def _batched(self, view: View, began: Began) -> Made | None:
        """Join a batch that is still open, or wait for the rung that is being made."""
        asker = self._jobs.asker(view)  # what somebody looks at is not made along with what may wait, nor after it
        key = f"{view.binding.tenant} {view.binding.digest} {view.overlays} {view.behind} {asker.lane}"
        if key not in self._flights and self.crowd.alone(view.want):
            return await self._alone(key, view, began, asker)
        taken = key in self._flights and key not in self._open
        mine = view, began
        batch = [] if taken else self._open.setdefault(key, [])
        batch.append(mine)
        self.crowd.arrived(view.want)
        if taken and (view.low is None or key not in self._rising):
            return None
        try:
            made = await self._flights.join(key, lambda: self._gather(key, batch), asker)
        finally:
            batch.remove(mine)
        return made.get(view.key) or await self._read(view, began)

    async def _alone(self, key: str, view: View, began: Began, asker: Asker) -> Made | None:
        """Make a result along with the rung, if it is time for that: there is nobody to wait for."""
        self.crowd.arrived(view.want)
        master = self._due([view])
        if master is None:
            return None
        made = await self._flights.join(key, lambda: self._make(key, [(view, began)], master), asker)
        return made.get(view.key)

    async def _gather(self, key: str, batch: list[tuple[View, Began]]) -> Batch:
        try:
            await self.crowd.gathered(batch[0][0].want)
        finally:
            if self._open.get(key) is batch:
                del self._open[key]
        batch = batch[: MAX_PLANS - 1]
        return await self._make(key, batch, self._due([view for view, _ in batch]))

    async def _make(self, key: str, batch: Sequence[tuple[View, Began]], master: Plan | None) -> Batch:
        """Make what starts from the same decoded image in one job each: the rung, if it is due, with what is made of it."""
        if master:
            self._rising.add(key)
        try:
            return await self._jobs_of(key, batch, master)
        finally:
            self._rising.discard(key)

    async def _jobs_of(self, key: str, batch: Sequence[tuple[View, Began]], master: Plan | None) -> Batch:
        jobs: dict[Load, list[_Part]] = {master.load: []} if master else {}
        for view, began in batch:
            part = _part(view, began, master)
            parts = jobs.setdefault(part.load, [])
            if sum(one.way.plan.cost.cpu_ms for one in (*parts, part)) <= _MOST_MS:
                parts.append(part)
        wanted = [(load, parts) for load, parts in jobs.items() if len(parts) > 1 or (parts and _makes(master, load))]
        done = await asyncio.gather(*(self._job(key, parts, _makes(master, load)) for load, parts in wanted))
        return {name: made for one in done for name, made in one.items()}

    async def _job(self, key: str, parts: Sequence[_Part], master: Plan | None) -> Batch:
        first, generation = parts[0].way, self._mezzanines.generation

        def all_began() -> None:
            self._flights.began(key)
            for part in parts:
                part.began()

        plans = [*([master] if master else []), *(part.way.plan for part in parts)]
        finished = await self._jobs.over_source(first, plans, all_began)
        if master is not None and master.rung is not None:
            await self._mezzanines.put(first.binding, master.rung, finished.bodies[0], generation=generation)
            self._telemetry.count("rungs", use="made")
        first_at = len(plans) - len(parts)
        return {part.asked: Made(part.way, _one(finished, at)) for at, part in enumerate(parts, first_at)}

    def _due(self, views: Sequence[View]) -> Plan | None:
        """Return how the rung is made that is of use to the first of the views, if it is time to make it."""
        lows = [(view, view.low) for view in views if view.low]
        if not lows:
            return None
        binding, rung = views[0].binding, lows[0][1].plan.load.rung
        assert rung is not None
        assert binding.info is not None
        master = resolve_rung(rung, binding.info)
        savings = [view.plan.cost.cpu_ms - low.plan.cost.cpu_ms for view, low in lows if low.plan.load.rung == rung]
        before = self._mezzanines.forgone(binding, rung, savings)
        return master if due(before, savings, master.cost.cpu_ms) else None

    async def _read(self, view: View, began: Began) -> Made | None:
        """Make a result from the rung, if that is there."""
        low = view.low
        rung = low.plan.load.rung if low else None
        kept = await self._mezzanines.open(view.binding, rung) if rung else None
        if low is None or rung is None or kept is None:
            return None
        with kept:
            self.crowd.arrived(view.want)
            finished = await self._jobs.over((kept.fd(), kept.size, rung.format), low, (low.plan,), began)
        self._telemetry.count("rungs", use="read")
        return Made(low, finished, read=True)


def _part(view: View, began: Began, master: Plan | None) -> _Part:
    """Return how a view is made: from the rung that is being made, if that will do."""
    if master and view.low and view.low.plan.load.rung == master.rung:
        return _Part(view.key, view.low, master.load, began)
    return _Part(view.key, view, view.plan.load, began)


def _makes(master: Plan | None, load: Load) -> Plan | None:
    """Return the plan of the rung, if it is what this load is for."""
    return master if master and master.load == load else None


def _one(finished: Finished, at: int) -> Finished:
    """Return one result of a job, with the times of the whole."""
    done = replace(finished.done, results=finished.done.results[at : at + 1])
    return Finished(done=done, bodies=finished.bodies[at : at + 1], queued_s=finished.queued_s)

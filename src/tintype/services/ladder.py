"""Ladder: results made from a rung of their source, and the rung made, once it pays, with those that are asked for together."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from msgspec.structs import replace

from tintype.core.errors import ImageError
from tintype.core.ladder import due, ladder_of
from tintype.core.messages import MAX_PLANS
from tintype.core.plan import Plan
from tintype.core.resolve import resolve_rung
from tintype.kit.flights import Flights
from tintype.ports import Finished, Mezzanines, Telemetry
from tintype.services.crowd import Crowd
from tintype.services.jobs import Jobs
from tintype.services.look import View

# Called once a worker has the job.
Began: TypeAlias = Callable[[], None]
# A result, and the view that it is of: the one asked for or its `low`.
Made: TypeAlias = tuple[View, Finished]
# What one job made, by the key of the view that was asked for; None: no rung, and nothing else.
Batch: TypeAlias = Mapping[str, Made] | None


class Ladder:
    """Runs views of sources that may have rungs.

    Most sources are asked for once, and a rung costs more than a result; so it is made when `core.ladder.due` says so, in
    one job with the results that wait for it and those that decode the original alike. Who comes later waits for the rung.
    """

    def __init__(self, mezzanines: Mezzanines, jobs: Jobs, flights: Flights[Batch], telemetry: Telemetry) -> None:
        self._mezzanines = mezzanines
        self._jobs = jobs
        self._flights = flights
        self._telemetry = telemetry
        self._open: dict[str, list[tuple[View, Began]]] = {}  # batches that more may join
        self.crowd = Crowd()

    async def __call__(self, view: View, began: Began) -> Made | None:
        """Return the result; None: it is to be made from the original, alone. Raises as jobs do."""
        info = view.binding.info
        if view.fallback or view.plan.passthrough or info is None or not ladder_of(info, view.want.tenant.policy):
            self.crowd.arrived(view.want)
            return None
        try:
            return await self._read(view, began) or await self._batched(view, began)
        except ImageError:  # what makes no rung may still make this result
            return None

    async def _batched(self, view: View, began: Began) -> Made | None:
        """Join a batch that is still open, or wait for the rung that is being made."""
        key = f"{view.binding.tenant} {view.binding.digest} {view.overlays} {view.behind}"
        taken = key in self._flights and key not in self._open
        mine = view, began
        batch = [] if taken else self._open.setdefault(key, [])
        batch.append(mine)
        self.crowd.arrived(view.want)
        if taken and view.low is None:
            return None
        try:
            made = await self._flights.join(key, lambda: self._gather(key, batch), self._jobs.deadline())
        finally:
            batch.remove(mine)
        if made is None:
            return None
        return made.get(view.key) or await self._read(view, began)

    async def _gather(self, key: str, batch: list[tuple[View, Began]]) -> Batch:
        try:
            await self.crowd.gathered(batch[0][0].want)
        finally:
            if self._open.get(key) is batch:
                del self._open[key]
        return await self._make(key, batch[: MAX_PLANS - 1])

    async def _make(self, key: str, batch: Sequence[tuple[View, Began]]) -> Batch:
        """Make a rung and what is made of it and beside it in one job, if it is time for that."""
        master = self._due([view for view, _ in batch])
        if master is None or master.rung is None:
            return None
        ways = {view.key: way for view, _ in batch if (way := _way(view, master))}
        first, generation = next(iter(ways.values())), self._mezzanines.generation

        def all_began() -> None:
            self._flights.began(key)
            for _, began in batch:
                began()

        plans = (master, *(way.plan for way in ways.values()))
        finished = await self._jobs.over_source(first, plans, all_began)
        await self._mezzanines.put(first.binding, master.rung, finished.bodies[0], generation=generation)
        self._telemetry.count("rungs", use="made")
        return {key: (way, _one(finished, at)) for at, (key, way) in enumerate(ways.items(), start=1)}

    def _due(self, views: Sequence[View]) -> Plan | None:
        """Return how the rung is made that is of use to most of the views, if it is time to make it."""
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
        return low, finished


def _way(view: View, master: Plan) -> View | None:
    """Return how a view is made in the job that makes a rung: from that, or from the same decoded original, or not at all."""
    if view.low is not None and view.low.plan.load.rung == master.rung:
        return view.low
    return view if view.plan.load == master.load else None


def _one(finished: Finished, at: int) -> Finished:
    """Return one result of a job, with the times of the whole."""
    done = replace(finished.done, results=finished.done.results[at : at + 1])
    return Finished(done=done, bodies=finished.bodies[at : at + 1], queued_s=finished.queued_s)

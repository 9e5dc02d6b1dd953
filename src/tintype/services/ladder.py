"""Ladder: results made from a rung of their source, and the rung made with the first of them that it is made for."""

from __future__ import annotations

from collections.abc import Callable

from tintype.core.errors import ImageError
from tintype.core.plan import Rung
from tintype.core.resolve import resolve_rung
from tintype.kit.flights import Flights
from tintype.ports import Finished, Mezzanines, Telemetry
from tintype.services.jobs import Jobs
from tintype.services.look import View


class Ladder:
    """Runs views whose plans load a rung.

    The first result that a rung would do for is made from the original, as most sources are asked for once. With the second
    the rung is made, in one job; whoever wants that rung meanwhile waits for it.
    """

    def __init__(self, mezzanines: Mezzanines, jobs: Jobs, flights: Flights[Finished], telemetry: Telemetry) -> None:
        self._mezzanines = mezzanines
        self._jobs = jobs
        self._flights = flights
        self._telemetry = telemetry

    async def __call__(self, view: View, began: Callable[[], None]) -> Finished | None:
        """Return the result, as the last one of a job; None: it is to be made from the original. Raises as jobs do."""
        rung = view.plan.load.rung
        assert rung is not None
        try:
            finished = await self._read(view, rung, began)
            if finished is not None or not self._mezzanines.again(view.binding):
                return finished
            return await self._made(view, rung, began)
        except ImageError:  # what makes no rung may still make this result
            return None

    async def _made(self, view: View, rung: Rung, began: Callable[[], None]) -> Finished | None:
        """Make the rung and the result in one job, or wait for who is making the rung."""
        key = f"{view.binding.tenant} {view.binding.digest} {rung.side}"
        mine = False

        async def start() -> Finished:
            nonlocal mine
            mine = True

            def both() -> None:
                self._flights.began(key)
                began()

            return await self._make(view, rung, both)

        finished = await self._flights.join(key, start, self._jobs.deadline())
        return finished if mine else await self._read(view, rung, began)

    async def _make(self, view: View, rung: Rung, began: Callable[[], None]) -> Finished:
        info, generation = view.binding.info, self._mezzanines.generation
        assert info is not None
        master = resolve_rung(rung, info)
        finished = await self._jobs.over_source(view, (master, view.plan), began)
        await self._mezzanines.put(view.binding, rung, finished.bodies[0], generation=generation)
        self._telemetry.count("rungs", use="made")
        return finished

    async def _read(self, view: View, rung: Rung, began: Callable[[], None]) -> Finished | None:
        kept = await self._mezzanines.open(view.binding, rung)
        if kept is None:
            return None
        with kept:
            finished = await self._jobs.over((kept.fd(), kept.size, rung.format), view, (view.plan,), began)
        self._telemetry.count("rungs", use="read")
        return finished

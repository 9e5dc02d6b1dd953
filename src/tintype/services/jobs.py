"""Jobs: engine runs for views, with inputs opened and held against what the key was made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import TypeAlias

from msgspec.structs import replace

from tintype.admission.asker import Asker, Lane
from tintype.admission.top import Top
from tintype.core.binding import Binding
from tintype.core.formats import Format
from tintype.core.plan import Plan
from tintype.core.shown import shown_url
from tintype.ports import Clock, Finished, Lease, Reserve, Runner, Sources
from tintype.services.look import View, known_format
from tintype.services.standins import StandIns

# What nobody waits for gets the CPU that is left, so that it may take long; how much of it, `limits.worker_cpu_s` bounds.
_BEHIND_S = 60.0

# A descriptor, its size in bytes and the format of what is in it.
Input: TypeAlias = tuple[int, int, Format]


class Moved(Exception):
    """An input is no longer what the key was made of; look again through `binding`."""

    def __init__(self, binding: Binding) -> None:
        super().__init__()
        self.binding = binding


class Jobs:
    """Runs plans. `timeout_s`: time for one job, which outlives the request that began it.

    `reserve` runs what nobody waits for. `top` learns what each source of each tenant costs, in milliseconds of CPU.
    """

    def __init__(
        self,
        sources: Sources,
        engine: Runner,
        reserve: Reserve,
        standins: StandIns,
        top: Top[tuple[str, str]],
        clock: Clock,
        *,
        timeout_s: float,
    ) -> None:
        self._sources = sources
        self._engine = engine
        self._reserve = reserve
        self._standins = standins
        self._top = top
        self._clock = clock
        self._timeout_s = timeout_s

    def deadline(self, *, behind: bool = False) -> float:
        """Return until when a job that begins now may take (monotonic)."""
        return self._clock.monotonic() + (max(self._timeout_s, _BEHIND_S) if behind else self._timeout_s)

    def asker(self, view: View) -> Asker:
        """Return who a job is charged to: it outlives the request, as others may wait for its result too."""
        deadline = self.deadline(behind=view.behind)
        lane = Lane.RENEWAL if view.behind else view.want.lane
        return replace(view.want, lane=lane, deadline=deadline, firm=False).asker

    async def source(self, view: View) -> Lease:
        """Open the bytes that a view is of. Raises SourceError, Moved."""
        want, asker = view.want, self.asker(view)
        if view.fallback:
            lease = await self._standins.open(asker, want.tenant, want.tenant.fallback)
        else:
            lease = await self._sources.open(asker, view.binding, want.asked.pipeline.source, want.forwarded)
        if lease.binding.digest != view.binding.digest:
            with lease:
                raise Moved(lease.binding)
        return lease

    async def over_source(self, view: View, plans: Sequence[Plan], began: Callable[[], None]) -> Finished:
        """Run plans over the original. Raises TintypeError, Moved."""
        with await self.source(view) as lease:
            return await self.over((lease.fd(), lease.binding.size, known_format(lease)), view, plans, began)

    async def over(self, first: Input, view: View, plans: Sequence[Plan], began: Callable[[], None]) -> Finished:
        """Run plans over an input and the overlays of a view; `began` is called once a worker has them. Raises likewise."""
        asker = self.asker(view)
        with ExitStack() as overlays:
            inputs = [first]
            if view.want.wears_watermark:
                tenant = view.want.tenant
                mark = overlays.enter_context(await self._standins.open(asker, tenant, tenant.watermark))
                if mark.binding.digest not in view.overlays:
                    raise Moved(view.binding)
                inputs.append((mark.fd(), mark.binding.size, known_format(mark)))
            engine = await self._reserve.runner() if view.behind else self._engine
            finished = await engine.run(inputs, plans, asker=asker, digest=view.binding.digest, began=began)
        self._top.add((asker.tenant, shown_url(view.binding.url)), finished.done.cpu_ms, self._clock.monotonic())
        return finished

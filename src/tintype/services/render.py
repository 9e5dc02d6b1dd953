"""Render: from a want to an answer, through bindings, plans, the result cache and the engine."""

from __future__ import annotations

from tintype.admission.gate import Gate
from tintype.core.binding import Binding
from tintype.core.degrade import Degraded
from tintype.core.errors import DeadlinePassed, Shed, SourceError, SourceFailed, TintypeError, UnsupportedImage
from tintype.kit.freshness import ends_at
from tintype.ports import Cache, Clock, Sources, Telemetry
from tintype.services.answers import Answer, Raw, Timings, Unchanged, Variant
from tintype.services.behind import Behind
from tintype.services.degrade import Degrade
from tintype.services.jobs import Moved
from tintype.services.look import Look, View, Want
from tintype.services.make import Found, Make, names_of

# How often a want is looked at while its inputs keep changing.
_LOOKS = 3

# To look at a file again costs microseconds, and who edits one wants to see it.
_LOCAL_FRESH_S = 1.0


class Render:
    """Answers wants.

    `assume_fresh_s`: how long a cached result is served when the origin says nothing of freshness.
    """

    def __init__(
        self,
        sources: Sources,
        cache: Cache,
        look: Look,
        make: Make,
        degrade: Degrade,
        gate: Gate,
        renewals: Behind,
        promotions: Behind,
        clock: Clock,
        telemetry: Telemetry,
        *,
        assume_fresh_s: float,
    ) -> None:
        self._sources = sources
        self._cache = cache
        self._look = look
        self._make = make
        self._degrade = degrade
        self._gate = gate
        self._renewals = renewals
        self._promotions = promotions
        self._clock = clock
        self._telemetry = telemetry
        self._assume_fresh_s = assume_fresh_s

    def assumed_fresh_s(self, url: str) -> float:
        """Return how long a result is served when its origin says nothing of freshness."""
        return min(self._assume_fresh_s, _LOCAL_FRESH_S) if url.startswith("local:") else self._assume_fresh_s

    async def __call__(self, want: Want, timings: Timings) -> Answer:
        """Answer with an image, with `Unchanged`, or with the raw source; `timings` learns what it takes.

        Raises:
            TintypeError: any of the tree, unless the tenant has a fallback for errors of the source.
        """
        timings.lane = want.lane.name.lower()
        try:
            if want.asked.delivery.raw:
                return await self._raw(want, timings)
            with self._make.coming(want):
                return await self._looked(want, timings)
        except (Shed, DeadlinePassed, SourceError, UnsupportedImage) as error:
            answer = await self._degrade.instead(want, error, timings)
            return answer or await self._fallback(want, error, timings)
        finally:
            self._gate.let_go(want.asker)  # what was fetched and wanted no worker keeps nobody waiting

    async def _fallback(self, want: Want, error: TintypeError, timings: Timings) -> Variant:
        if isinstance(error, Shed | DeadlinePassed) or not want.tenant.fallback or want.asked.delivery.raw:
            raise error
        self._telemetry.event("fallback_served", tenant=want.tenant.name, error=error.code)
        view = await self._look.fallback(want)
        found = await self._cached(view, timings)
        view, (key, entry) = (view, found) if found else await self._made(view, timings)
        return Variant(key, entry, view.binding, timings, error=error)

    async def _raw(self, want: Want, timings: Timings) -> Raw:
        ref = want.asked.pipeline.source
        binding = await self._sources.bind(want.asker, ref, want.forwarded)
        return Raw(await self._sources.open(want.asker, binding, ref, want.forwarded), timings)

    async def _looked(self, want: Want, timings: Timings) -> Answer:
        started = self._clock.now()
        view = await self._look(want, timings, self.assumed_fresh_s(want.asked.pipeline.source.url))
        for way in view.ways:
            if way.key in want.etags:
                return Unchanged(way.key, view.binding, timings, self._stale(view.binding, started))
        found = await self._cached(view, timings)
        if found is None and not self._confirmed(view.binding, started):
            view = await self._look(want, timings, 0.0)  # a miss asks the origin before it renders
            found = await self._cached(view, timings)
        if found is None:
            return await self._missing(view, timings, started)
        return self._variant(want, view.binding, found, timings, started)

    async def _missing(self, view: View, timings: Timings, started: float) -> Variant:
        """Answer with what no cache has: where it takes long to write, or the node is pressed, with something that is quicker.

        What takes long to write is made behind the answer.
        """
        want = view.want
        quick = await self._look.at_once(view)
        found, wanted, step = await self._cached(quick, timings) if quick else None, quick or view, None
        if found is None:
            wanted, step = await self._degrade.lighter(wanted)
            found = await self._cached(wanted, timings) if step else None
        wanted, found = (wanted, found) if found else await self._made(wanted, timings)
        if quick:
            self._promotions.offer(view.key, lambda: self._make(view.put_behind(), Timings()))
        return self._variant(want, wanted.binding, found, timings, started, interim=quick is not None, degraded=step)

    def _variant(
        self,
        want: Want,
        binding: Binding,
        found: Found,
        timings: Timings,
        started: float,
        *,
        interim: bool = False,
        degraded: Degraded | None = None,
    ) -> Variant:
        stale = self._stale(binding, started)
        if stale and self._clock.now() >= binding.stale_until:  # its origin failed
            degraded = degraded or Degraded.STALE
        self._degrade.note(want, binding, found, degraded)
        return Variant(*found, binding, timings, stale, interim=interim, degraded=degraded)

    async def _made(self, view: View, timings: Timings) -> tuple[View, Found]:
        """Make what no cache has; where an input has moved meanwhile, find or make what the result is now."""
        for _ in range(_LOOKS):
            try:
                return view, await self._make(view, timings)
            except Moved as moved:
                view = await self._look.again(view, moved.binding)
            found = await self._cached(view, timings)
            if found is not None:
                return view, found
        raise SourceFailed("the origin sends other bytes each time it is asked; let it answer the same for a while")

    async def _cached(self, view: View, timings: Timings) -> Found | None:
        if view.binding.private:
            return None
        begun, names = self._clock.monotonic(), names_of(view)
        try:
            found = await self._cache.first([way.key for way in view.ways], names)
            if found is None and (old := [key for way in view.ways for key in way.old_keys]):
                found = await self._cache.first(old, names)
                if found is not None:
                    self._renewals.offer(view.key, lambda: self._make(view.put_behind(), Timings()))
            if found is not None:
                timings.outcome = "hit"
            return found
        finally:
            timings.add("cache", self._clock.monotonic() - begun)

    def _confirmed(self, binding: Binding, started: float) -> bool:
        return binding.fetched_at >= started or binding.fresh_until > self._clock.now()

    def _stale(self, binding: Binding, started: float) -> bool:
        ends = ends_at(binding, self.assumed_fresh_s(binding.url))
        return self._clock.now() >= ends and not self._confirmed(binding, started)

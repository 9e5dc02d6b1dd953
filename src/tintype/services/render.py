"""Render: from a want to an answer, through bindings, plans, the result cache and the engine."""

from __future__ import annotations

from tintype.core.binding import Binding
from tintype.core.errors import SourceError, SourceFailed, UnsupportedImage
from tintype.ports import Cache, Clock, Sources, Telemetry
from tintype.services.answers import Answer, Raw, Timings, Unchanged, Variant
from tintype.services.behind import Behind
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
        self._renewals = renewals
        self._promotions = promotions
        self._clock = clock
        self._telemetry = telemetry
        self._assume_fresh_s = assume_fresh_s

    def assumed_fresh_s(self, url: str) -> float:
        """Return how long a result is served when its origin says nothing of freshness."""
        return min(self._assume_fresh_s, _LOCAL_FRESH_S) if url.startswith("local:") else self._assume_fresh_s

    async def __call__(self, want: Want) -> Answer:
        """Answer with an image, with `Unchanged`, or with the raw source.

        Raises:
            TintypeError: any of the tree, unless the tenant has a fallback for errors of the source.
        """
        timings = Timings()
        try:
            if want.asked.delivery.raw:
                return await self._raw(want, timings)
            with self._make.coming(want):
                return await self._variant(want, timings)
        except (SourceError, UnsupportedImage) as error:
            if not want.tenant.fallback or want.asked.delivery.raw:
                raise
            self._telemetry.event("fallback_served", tenant=want.tenant.name, error=error.code)
            view = await self._look.fallback(want)
            found = await self._cached(view, timings)
            view, (key, entry) = (view, found) if found else await self._made(view, timings)
            return Variant(key, entry, view.binding, timings, error=error)

    async def _raw(self, want: Want, timings: Timings) -> Raw:
        ref = want.asked.pipeline.source
        binding = await self._sources.bind(want.asker, ref, want.forwarded)
        return Raw(await self._sources.open(want.asker, binding, ref, want.forwarded), timings)

    async def _variant(self, want: Want, timings: Timings) -> Answer:
        started = self._clock.now()
        view = await self._look(want, timings, self.assumed_fresh_s(want.asked.pipeline.source.url))
        known = next((way.key for way in view.ways if way.key in want.etags), None)
        if known is not None:
            return Unchanged(known, view.binding, timings, self._stale(view.binding, started))
        found = await self._cached(view, timings)
        if found is None and not self._confirmed(view.binding, started):
            view = await self._look(want, timings, 0.0)  # a miss asks the origin before it renders
            found = await self._cached(view, timings)
        quick = await self._look.quicker(view) if found is None and want.tenant.delivery.promote else None
        if quick is not None:
            return await self._interim(view, quick, timings, started)
        view, (key, entry) = (view, found) if found else await self._made(view, timings)
        return Variant(key, entry, view.binding, timings, self._stale(view.binding, started))

    async def _interim(self, view: View, quick: View, timings: Timings, started: float) -> Answer:
        """Answer in a format that is quick to write, and have the one that takes longer made behind the answer."""
        found = await self._cached(quick, timings)
        quick, (key, entry) = (quick, found) if found else await self._made(quick, timings)
        self._promotions.offer(view.key, lambda: self._make(view.put_behind(), Timings()))
        return Variant(key, entry, quick.binding, timings, self._stale(quick.binding, started), interim=True)

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
            for key in (key for way in view.ways for key in (way.key, *way.old_keys)):
                entry = await self._cache.get(key, names)
                if entry is not None:
                    timings.outcome = "hit"
                    if all(key != way.key for way in view.ways):
                        self._renewals.offer(view.key, lambda: self._make(view.put_behind(), Timings()))
                    return key, entry
            return None
        finally:
            timings.add("cache", self._clock.monotonic() - begun)

    def _confirmed(self, binding: Binding, started: float) -> bool:
        return binding.fetched_at >= started or binding.fresh_until > self._clock.now()

    def _stale(self, binding: Binding, started: float) -> bool:
        assumed = binding.fresh_until <= binding.fetched_at  # the origin named no lifetime
        if assumed and self._clock.now() < binding.fetched_at + self.assumed_fresh_s(binding.url):
            return False
        return not self._confirmed(binding, started)

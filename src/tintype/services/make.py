"""Make: the result of a view, by the engine, once for all who wait for it, into the cache."""

from __future__ import annotations

import os
from contextlib import ExitStack
from functools import lru_cache

from tintype.core.asked import Asked
from tintype.core.binding import Binding
from tintype.core.entry import Entry, EntryFacts, Names
from tintype.core.formats import Format
from tintype.core.pipeline import Pipeline
from tintype.kit.flights import Flights
from tintype.ports import Cache, Clock, Engine, Finished, Lease, Sources
from tintype.services.answers import Timings
from tintype.services.look import View, known_format
from tintype.services.standins import StandIns


class Moved(Exception):
    """An input is no longer what the key was made of; look again through `binding`."""

    def __init__(self, binding: Binding) -> None:
        super().__init__()
        self.binding = binding


class Make:
    """Makes entries. `timeout_s`: time for one render, which outlives the request that began it."""

    def __init__(
        self,
        sources: Sources,
        engine: Engine,
        cache: Cache,
        standins: StandIns,
        flights: Flights[Entry],
        clock: Clock,
        *,
        timeout_s: float,
    ) -> None:
        self._sources = sources
        self._engine = engine
        self._cache = cache
        self._standins = standins
        self._flights = flights
        self._clock = clock
        self._timeout_s = timeout_s

    async def __call__(self, view: View, timings: Timings) -> Entry:
        """Return the result, rendering it or waiting for a render under way. Raises TintypeError, Moved."""
        begun = self._clock.monotonic()
        try:
            if view.binding.private:
                timings.outcome = "private"
                return await self._render(view, timings)
            timings.outcome = "shared"  # who leads the flight says miss
            entry = await self._flights.join(view.key, lambda: self._keep(view, timings), view.want.deadline)
            if timings.outcome == "shared":
                await self._cache.get(view.key, names_of(view))  # it is kept by the names of who led the flight
            return entry
        finally:
            timings.add("render", self._clock.monotonic() - begun)

    async def _keep(self, view: View, timings: Timings) -> Entry:
        generation = self._cache.generation
        # Another flight may have landed between this request's look at the cache and its take-off.
        entry = await self._cache.get(view.key, names_of(view))
        timings.outcome = "hit" if entry else "miss"
        if entry is None:
            entry = await self._render(view, timings)
            await self._cache.put(view.key, entry, generation=generation)
        return entry

    async def _render(self, view: View, timings: Timings) -> Entry:
        deadline = self._clock.monotonic() + self._timeout_s
        with await self._open(view, deadline) as lease:
            if lease.binding.digest != view.binding.digest:
                raise Moved(lease.binding)
            if view.plan.passthrough and lease.format is not Format.SVG:
                return _untouched(view, os.pread(lease.fd(), lease.binding.size, 0), self._clock.now())
            finished = await self._run(view, lease, deadline)
        _note(timings, finished)
        return _rendered(view, finished, self._clock.now())

    async def _open(self, view: View, deadline: float) -> Lease:
        want = view.want
        if view.fallback:
            return await self._standins.open(want.tenant, want.tenant.fallback, deadline)
        return await self._sources.open(view.binding, want.asked.pipeline.source, want.forwarded, deadline)

    async def _run(self, view: View, lease: Lease, deadline: float) -> Finished:
        with ExitStack() as overlays:
            inputs = [_input(lease)]
            if view.want.wears_watermark:
                tenant = view.want.tenant
                mark = overlays.enter_context(await self._standins.open(tenant, tenant.watermark, deadline))
                if mark.binding.digest not in view.overlays:
                    raise Moved(view.binding)
                inputs.append(_input(mark))
            return await self._engine.run(
                inputs,
                [view.plan],
                tenant=view.want.tenant.name,
                digest=lease.binding.digest,
                deadline=deadline,
                # What a worker has begun finishes into the cache, even if every client has gone.
                began=lambda: self._flights.began(view.key),
            )


def _input(lease: Lease) -> tuple[int, int, Format]:
    return lease.fd(), lease.binding.size, known_format(lease)


def pipeline_tag(asked: Asked) -> str:
    """Return the tag under which every variant of one URL is kept, whatever the client's offer was."""
    return _tag_of(asked.pipeline)


@lru_cache(4096)  # half the time of a hit that the memo does not know
def _tag_of(pipeline: Pipeline) -> str:
    return f"pipeline:{pipeline.fingerprint}"


def names_of(view: View) -> Names:
    """Return what a purge can call the result of a view by. A fallback stands in for many URLs, and is called by none."""
    asked, source = view.want.asked, view.binding.url
    return Names(source=source, tags=() if view.fallback else (pipeline_tag(asked), *asked.delivery.tags))


def _untouched(view: View, body: bytes, now: float) -> Entry:
    info = view.binding.info
    assert info is not None
    return _entry(view, body, now, info.format, info.width, info.height, info.frames)


def _rendered(view: View, finished: Finished, now: float) -> Entry:
    result = finished.done.results[0]
    return _entry(view, finished.bodies[0], now, result.format, result.width, result.height, result.frames)


def _entry(view: View, body: bytes, now: float, format: Format, width: int, height: int, frames: int) -> Entry:
    info, names = view.binding.info, names_of(view)
    assert info is not None
    facts = EntryFacts(
        tenant=view.want.tenant.name,
        source=names.source,
        digest=view.binding.digest,
        format=format,
        width=width,
        height=height,
        source_width=info.width,
        source_height=info.height,
        source_bytes=view.binding.size,
        frames=frames,
        created_at=now,
        tags=names.tags,
    )
    return Entry(facts=facts, body=body)


def _note(timings: Timings, finished: Finished) -> None:
    done = finished.done
    timings.add("queue", finished.queued_s)
    for phase, milliseconds in (("decode", done.decode_ms), ("steps", done.steps_ms), ("encode", done.encode_ms)):
        timings.add(phase, milliseconds / 1000)

"""Make: the result of a view, by the engine, once for all who wait for it, into the cache."""

from __future__ import annotations

import asyncio
import os
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache, partial
from typing import TypeAlias

from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.core.asked import Asked
from tintype.core.entry import Entry, EntryFacts, Names
from tintype.core.formats import Format
from tintype.kit.flights import Flights
from tintype.ports import Cache, Clock, Finished, Lead, Leads, Shared
from tintype.services.answers import Timings
from tintype.services.jobs import Jobs
from tintype.services.ladder import Began, Ladder
from tintype.services.look import View, Want
from tintype.services.spending import Spending

# A key and what is kept under it.
Found: TypeAlias = tuple[str, Entry]


class Make:
    """Makes entries. `leads` says whether other nodes that share results make the same; `shared` is what they share."""

    def __init__(
        self,
        jobs: Jobs,
        ladder: Ladder,
        cache: Cache,
        shared: Shared,
        flights: Flights[Found],
        leads: Leads,
        spending: Spending,
        gate: Gate,
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._ladder = ladder
        self._cache = cache
        self._shared = shared
        self._flights = flights
        self._leads = leads
        self._spending = spending
        self._gate = gate
        self._clock = clock

    def coming(self, want: Want) -> AbstractContextManager[None]:
        """Let others who ask for the same source know of a request whose plan is not known yet."""
        return self._ladder.crowd.coming(want)

    def under_way(self, view: View) -> bool:
        """Tell whether the result is being made, and no later than for this want, so that it costs nothing to wait for it."""
        return self._flights.carries(view.key, self._asker(view))

    async def __call__(self, view: View, timings: Timings) -> Found:
        """Return the result, rendering it or waiting for a render under way. Raises TintypeError, Moved."""
        begun = self._clock.monotonic()
        if view.want.firm and not view.behind and not self.under_way(view):
            self._gate.in_time(view.want.asker, view.ways[-1].plan, begun)
        try:
            if view.binding.private or view.key in self._flights:
                self._ladder.crowd.arrived(view.want)
            if view.binding.private:
                timings.outcome = "private"
                async with self._spending.on(view, lambda: None) as began:
                    return view.key, await self._render(view, timings, began)
            timings.outcome = "shared"  # who makes it says miss
            key, entry = await self._flights.join(view.key, lambda: self._keep(view, timings), self._asker(view))
            if timings.outcome == "shared":
                timings.from_rung = view.low is not None and key == view.low.key
                await self._cache.get(key, names_of(view))  # it is kept by the names of who led the flight
            return key, entry
        finally:
            timings.add("render", self._clock.monotonic() - begun)

    async def _keep(self, view: View, timings: Timings) -> Found:
        generation, half_time = self._cache.generation, self._half_time(view)
        waited = False
        while True:  # until half of the time has passed, at most
            arrived = partial(self._ladder.crowd.arrived, view.want)
            lead = await self._leads.lead(view.key, self._asker(view).lane, half_time, arrived)
            with lead or nullcontext():
                # Another flight may have landed since this request's look at the cache, here or on another node.
                found = await self._kept(view)
                if found is not None:
                    timings.outcome = "shared" if waited else "hit"
                    return found
                if lead is not None:
                    made = await self._led(view, timings, lead, generation)
                    timings.outcome = "miss"  # another may have begun anew meanwhile: who has made it counts
                    return made
            waited = True

    def _half_time(self, view: View) -> float:
        """Return until when another node's render may be waited for: what is left then is for one here."""
        now = self._clock.monotonic()
        return now + (self._asker(view).deadline - now) / 2

    def _asker(self, view: View) -> Asker:
        return self._jobs.asker(view) if view.behind else view.want.asker

    async def _kept(self, view: View) -> Found | None:
        return await self._cache.first([way.key for way in view.ways], names_of(view))

    async def _led(self, view: View, timings: Timings, lead: Lead, generation: int) -> Found:
        """Make the result as the one who leads, and keep it."""

        def kept() -> None:
            self._flights.began(view.key)
            lead.began()

        # What a worker has begun finishes into the cache, even if every client has gone. A worker behind all others may take
        # long: who comes does not wait for that one.
        async with self._spending.on(view, (lambda: None) if view.behind else kept) as began:
            found = await self._laddered(view, timings, began)
            key, entry = found or (view.key, await self._render(view, timings, began))
        kept()
        await self._cache.put(key, entry, generation=generation)
        lead.end_after(lambda: self._shared.written(key))
        return key, entry

    async def _laddered(self, view: View, timings: Timings, began: Began) -> Found | None:
        """Make the result from a rung or along with one, if there is one or if it is time for one."""
        made = await self._ladder(view, began)
        if made is None:
            return None
        timings.from_rung, timings.plan = made.read, made.view.plan
        return made.view.key, self._rendered(view, made.finished, timings)

    async def _render(self, view: View, timings: Timings, began: Began) -> Entry:
        if view.plan.passthrough and view.binding.info and not view.binding.info.vector:
            with await self._jobs.source(view) as lease:
                body = await asyncio.to_thread(os.pread, lease.fd(), lease.binding.size, 0)  # may be 100 MB
                return _untouched(view, body, self._clock.now())
        finished = await self._jobs.over_source(view, (view.plan,), began)
        return self._rendered(view, finished, timings)

    def _rendered(self, view: View, finished: Finished, timings: Timings) -> Entry:
        _note(timings, finished)
        result = finished.done.results[-1]
        size = result.width, result.height, result.frames
        return _entry(view, finished.bodies[-1], self._clock.now(), result.format, *size)


def pipeline_tag(asked: Asked) -> str:
    """Return the tag under which every variant of one URL is kept, whatever the client's offer was."""
    return url_names(asked).tags[0]


def names_of(view: View) -> Names:
    """Return what a purge can call the result of a view by. A fallback stands in for many URLs, and is called by none."""
    return Names(source=view.binding.url) if view.fallback else url_names(view.want.asked)


@lru_cache(4096)  # half the time of a hit that the memo does not know
def url_names(asked: Asked) -> Names:
    """Return what a purge can call any result by that a URL was answered with."""
    tag = f"pipeline:{asked.pipeline.fingerprint}"
    return Names(source=asked.pipeline.source.url, tags=(tag, *asked.delivery.tags))


def _untouched(view: View, body: bytes, now: float) -> Entry:
    info = view.binding.info
    assert info is not None
    return _entry(view, body, now, info.format, info.width, info.height, info.frames)


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

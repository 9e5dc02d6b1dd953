"""Render: from what was asked to an answer, through bindings, plans, the result cache and the engine."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace

from tintype.core.asked import Asked
from tintype.core.binding import Binding
from tintype.core.entry import Entry, EntryFacts
from tintype.core.errors import SourceError, UnsupportedImage
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Watermark
from tintype.core.plan import Plan, plan_key
from tintype.core.resolve import resolve
from tintype.core.tenant import Tenant
from tintype.kit.flights import Flights
from tintype.ports import Cache, Clock, Engine, Finished, Forwarded, Lease, Sources, Telemetry
from tintype.services.answers import Answer, Raw, Timings, Unchanged, Variant
from tintype.services.renewal import Renewals
from tintype.services.standins import StandIns


@dataclass(frozen=True, slots=True)
class Want:
    """One request, read and verified. `etags` are the keys the client has; `deadline` is monotonic."""

    tenant: Tenant
    asked: Asked
    offer: Offer
    forwarded: Forwarded
    deadline: float
    etags: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class View:
    """A want seen through one binding: its plan and the key of the result."""

    want: Want
    binding: Binding
    plan: Plan
    key: str
    old_keys: tuple[str, ...]
    fallback: bool = False  # the binding is the tenant's fallback image


@dataclass(frozen=True, slots=True)
class RenderSettings:
    """`assume_fresh_s`: how long a cached result is served when the origin says nothing of freshness."""

    assume_fresh_s: float
    timeout_s: float
    epoch: int
    old_epochs: tuple[int, ...] = ()


class Render:
    """Answers wants. Everything it decides is decided by values; everything it does is done by ports."""

    def __init__(
        self,
        sources: Sources,
        engine: Engine,
        cache: Cache,
        standins: StandIns,
        flights: Flights[Entry],
        renewals: Renewals,
        clock: Clock,
        telemetry: Telemetry,
        settings: RenderSettings,
    ) -> None:
        self._sources = sources
        self._engine = engine
        self._cache = cache
        self._standins = standins
        self._flights = flights
        self._renewals = renewals
        self._clock = clock
        self._telemetry = telemetry
        self._settings = settings

    async def __call__(self, want: Want) -> Answer:
        """Answer with an image, with `Unchanged`, or raw bytes.

        Raises:
            TintypeError: any of the tree, unless the tenant has a fallback for errors of the source.
        """
        timings = Timings()
        started = self._clock.now()
        try:
            if want.asked.delivery.raw:
                return await self._raw(want, timings)
            return await self._variant(want, timings, started)
        except (SourceError, UnsupportedImage) as error:
            if not want.tenant.fallback or want.asked.delivery.raw:
                raise
            return await self._fallback(want, timings, error)

    async def _variant(self, want: Want, timings: Timings, started: float) -> Answer:
        view = await self._look(want, timings, self._settings.assume_fresh_s)
        if view.key in want.etags:
            return Unchanged(view.key, view.binding, timings, self._stale(view.binding, started))
        found = await self._cached(view, timings)
        if found is None and not self._confirmed(view.binding, started):
            view = await self._look(want, timings, 0.0)
            found = await self._cached(view, timings)
        if found is None:
            view, found = await self._made(view, timings)
        key, entry = found
        return Variant(key, entry, view.binding, timings, self._stale(view.binding, started))

    async def _made(self, view: View, timings: Timings) -> tuple[View, tuple[str, Entry]]:
        try:
            return view, (view.key, await self._render(view, timings))
        except _Moved as moved:
            # The bytes were evicted and the origin has others now: what was asked for means the new ones.
            view = await self._view(view.want, moved.binding)
            return view, (view.key, await self._render(view, timings))

    async def _raw(self, want: Want, timings: Timings) -> Raw:
        ref = want.asked.pipeline.source
        binding = await self._sources.bind(want.tenant.name, ref, want.forwarded, want.deadline)
        return Raw(await self._sources.open(binding, ref, want.forwarded, want.deadline), timings)

    async def _look(self, want: Want, timings: Timings, assume_fresh_s: float) -> View:
        begun = self._clock.monotonic()
        ref = want.asked.pipeline.source
        binding = await self._sources.bind(
            want.tenant.name, ref, want.forwarded, want.deadline, assume_fresh_s=assume_fresh_s
        )
        timings.add("source", self._clock.monotonic() - begun)
        return await self._view(want, binding)

    async def _view(self, want: Want, binding: Binding) -> View:
        if binding.info is None:
            binding = await self._probe(want, binding)
        assert binding.info is not None
        plan = resolve(want.asked.pipeline, binding.info, want.offer, want.tenant.policy)
        digests = (binding.digest, *await self._overlay_digests(want))
        name, settings = want.tenant.name, self._settings
        return View(
            want,
            binding,
            plan,
            plan_key(name, digests, plan, settings.epoch),
            tuple(plan_key(name, digests, plan, old) for old in settings.old_epochs),
        )

    async def _probe(self, want: Want, binding: Binding) -> Binding:
        with await self._open(want, binding) as lease:
            info = await self._engine.probe(
                lease.fd(),
                lease.binding.size,
                known_format(lease),
                tenant=want.tenant.name,
                digest=lease.binding.digest,
                source_pixels=want.asked.pipeline.bounds.source_pixels or want.tenant.policy.source_pixels,
                deadline=want.deadline,
            )
            return await self._sources.learn(lease.binding, info)

    async def _open(self, want: Want, binding: Binding) -> Lease:
        return await self._sources.open(binding, want.asked.pipeline.source, want.forwarded, want.deadline)

    async def _overlay_digests(self, want: Want) -> tuple[str, ...]:
        if not _wears_watermark(want):
            return ()
        return ((await self._standins.binding(want.tenant, want.tenant.watermark, want.deadline)).digest,)

    async def _cached(self, view: View, timings: Timings) -> tuple[str, Entry] | None:
        if view.binding.private:
            return None
        begun = self._clock.monotonic()
        try:
            entry = await self._cache.get(view.key)
            if entry is not None:
                timings.outcome = "hit"
                return view.key, entry
            return await self._renewable(view, timings)
        finally:
            timings.add("cache", self._clock.monotonic() - begun)

    async def _renewable(self, view: View, timings: Timings) -> tuple[str, Entry] | None:
        for key in view.old_keys:
            entry = await self._cache.get(key)
            if entry is not None:
                timings.outcome = "old"
                self._renewals.offer(view.key, lambda: self._render(view, Timings()))
                return key, entry
        return None

    async def _render(self, view: View, timings: Timings) -> Entry:
        begun = self._clock.monotonic()
        try:
            if view.binding.private:
                timings.outcome = "private"
                return await self._make(view, timings)
            timings.outcome = "shared"  # the leader of the flight says miss
            return await self._flights.join(view.key, lambda: self._keep(view, timings), view.want.deadline)
        finally:
            timings.add("render", self._clock.monotonic() - begun)

    async def _keep(self, view: View, timings: Timings) -> Entry:
        timings.outcome = "miss"
        generation = self._cache.generation
        entry = await self._make(view, timings)
        await self._cache.put(view.key, entry, generation=generation)
        return entry

    async def _make(self, view: View, timings: Timings) -> Entry:
        # A shared render outlives the request that began it: its time is a request's, counted from now.
        deadline = self._clock.monotonic() + self._settings.timeout_s
        with await self._open_view(view, deadline) as lease:
            if lease.binding.digest != view.binding.digest:
                raise _Moved(lease.binding)
            if view.plan.passthrough and lease.format is not Format.SVG:
                return _entry(view, self._clock.now(), os.pread(lease.fd(), lease.binding.size, 0))
            finished = await self._run(view, lease, deadline)
        _note(timings, finished)
        return _entry(view, self._clock.now(), finished.bodies[0], finished)

    async def _open_view(self, view: View, deadline: float) -> Lease:
        if view.fallback:
            return await self._standins.open(view.want.tenant, view.want.tenant.fallback, deadline)
        return await self._open(view.want, view.binding)

    async def _run(self, view: View, lease: Lease, deadline: float) -> Finished:
        tenant, digest = view.want.tenant, lease.binding.digest
        inputs = [(lease.fd(), lease.binding.size, known_format(lease))]
        if not _wears_watermark(view.want):
            return await self._engine.run(inputs, [view.plan], tenant=tenant.name, digest=digest, deadline=deadline)
        with await self._standins.open(tenant, tenant.watermark, deadline) as overlay:
            inputs.append((overlay.fd(), overlay.binding.size, known_format(overlay)))
            return await self._engine.run(inputs, [view.plan], tenant=tenant.name, digest=digest, deadline=deadline)

    async def _fallback(self, want: Want, timings: Timings, error: SourceError | UnsupportedImage) -> Answer:
        self._telemetry.event("fallback_served", tenant=want.tenant.name, error=error.code)
        binding = await self._standins.binding(want.tenant, want.tenant.fallback, want.deadline)
        view = replace(await self._view(want, binding), fallback=True)
        if view.key in want.etags:
            return Unchanged(view.key, binding, timings)
        found = await self._cached(view, timings)
        if found is None:
            view, found = await self._made(view, timings)
        return Variant(found[0], found[1], binding, timings, error=error)

    def _confirmed(self, binding: Binding, started: float) -> bool:
        return binding.fetched_at >= started or binding.fresh_until > self._clock.now()

    def _stale(self, binding: Binding, started: float) -> bool:
        assumed = binding.fresh_until <= binding.fetched_at  # the origin named no lifetime
        if assumed and self._clock.now() < binding.fetched_at + self._settings.assume_fresh_s:
            return False
        return not self._confirmed(binding, started)


class _Moved(Exception):
    """The bytes behind a binding are gone and the origin has others."""

    def __init__(self, binding: Binding) -> None:
        super().__init__()
        self.binding = binding


def _wears_watermark(want: Want) -> bool:
    return want.tenant.policy.watermark and want.asked.pipeline.find(Watermark) is not None


def known_format(lease: Lease) -> Format:
    """Return the sniffed format.

    Raises:
        UnsupportedImage: naming what the bytes are instead, if that is known.
    """
    if lease.format is None:
        what = lease.foreign or "not an image"
        raise UnsupportedImage(
            f"the source is {what}; supported are JPEG, PNG, GIF, WebP, AVIF, HEIC, TIFF, SVG, BMP, ICO, JXL"
        )
    return lease.format


def _entry(view: View, now: float, body: bytes, finished: Finished | None = None) -> Entry:
    info, binding, want = view.binding.info, view.binding, view.want
    assert info is not None
    done = finished.done.results[0] if finished else None
    return Entry(
        facts=EntryFacts(
            tenant=want.tenant.name,
            source=binding.url,
            digest=binding.digest,
            format=done.format if done else info.format,
            width=done.width if done else info.width,
            height=done.height if done else info.height,
            source_width=info.width,
            source_height=info.height,
            source_bytes=binding.size,
            frames=done.frames if done else info.frames,
            created_at=now,
            tags=(pipeline_tag(want.asked), *want.asked.delivery.tags),
        ),
        body=body,
    )


def pipeline_tag(asked: Asked) -> str:
    """Return the tag under which every variant of one URL is kept, whatever the client's offer was."""
    return f"pipeline:{asked.pipeline.fingerprint}"


def _note(timings: Timings, finished: Finished) -> None:
    done = finished.done
    timings.add("queue", finished.queued_s)
    for phase, milliseconds in (("decode", done.decode_ms), ("steps", done.steps_ms), ("encode", done.encode_ms)):
        timings.add(phase, milliseconds / 1000)

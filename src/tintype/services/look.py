"""Look: what a want means right now - which bytes, which plan, which key - without touching a pixel."""

from __future__ import annotations

import dataclasses
from functools import cached_property

import msgspec
from msgspec.structs import replace

from tintype.admission.asker import Asker, Lane
from tintype.core.asked import Asked
from tintype.core.binding import Binding
from tintype.core.degrade import lighter
from tintype.core.errors import SourceTooLarge, UnsupportedImage
from tintype.core.formats import FACTS, LOADABLE, SLOW, Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Watermark
from tintype.core.plan import Plan, plan_keys
from tintype.core.resolve import resolve_ways
from tintype.core.tenant import Tenant
from tintype.kit.flights import Flights
from tintype.ports import Clock, Engine, Forwarded, Lease, Sources
from tintype.services.answers import Timings
from tintype.services.standins import StandIns


class Want(msgspec.Struct, frozen=True, dict=True):
    """One request, read and verified.

    Attributes:
        etags: the keys the client has.
        deadline: monotonic; `firm`: the client's own.
        lane: how urgent it is.
        client: whose request it is within the tenant, as admission.Asker has it.
        invested: its source has been fetched for it, as admission.Asker has it.
    """

    tenant: Tenant
    asked: Asked
    offer: Offer
    forwarded: Forwarded
    deadline: float
    etags: frozenset[str] = frozenset()
    lane: Lane = Lane.INTERACTIVE
    client: str = ""
    firm: bool = False
    invested: bool = False

    @cached_property
    def asker(self) -> Asker:
        name, weight, pipeline = self.tenant.name, self.tenant.weight, self.asked.pipeline
        return Asker(name, self.client, self.lane, weight, self.deadline, self.firm, self.invested, pipeline)

    @property
    def wears_watermark(self) -> bool:
        return self.tenant.policy.watermark and self.asked.pipeline.find(Watermark) is not None


class View(msgspec.Struct, frozen=True):
    """A want seen through one binding: its plan and the key of the result.

    `old_keys`: what the result is called in older render epochs. `overlays`: digests of what is laid over the image, as
    the key has them. `fallback`: the binding is the tenant's fallback image. `low`: the same result made from a rung, which
    need not be there. `laddered`: the source may have rungs. `behind`: nobody waits for the result.
    """

    want: Want
    binding: Binding
    plan: Plan
    key: str
    old_keys: tuple[str, ...]
    overlays: tuple[str, ...] = ()
    fallback: bool = False
    low: View | None = None
    laddered: bool = False
    behind: bool = False

    def put_behind(self) -> View:
        """Return the view for a result that is made while nobody waits for it."""
        return replace(self, behind=True, low=replace(self.low, behind=True) if self.low else None)

    @property
    def ways(self) -> tuple[View, ...]:
        """The ways to make the result: any of them, found in a cache, will do."""
        return (self, self.low) if self.low else (self,)


class Look:
    """Makes views. `epochs`: the current render epoch first, then those whose results may still be served."""

    def __init__(
        self,
        sources: Sources,
        engine: Engine,
        standins: StandIns,
        flights: Flights[Binding],
        clock: Clock,
        *,
        epochs: tuple[int, ...],
    ) -> None:
        self._sources = sources
        self._engine = engine
        self._standins = standins
        self._flights = flights
        self._clock = clock
        self._epochs = epochs

    async def __call__(self, want: Want, timings: Timings, assume_fresh_s: float) -> View:
        """Bind the want's source and look at it. Raises SourceError, ImageError, Overloaded."""
        begun, now = self._clock.monotonic(), self._clock.now()
        ref = want.asked.pipeline.source
        try:
            binding = await self._sources.bind(want.asker, ref, want.forwarded, assume_fresh_s=assume_fresh_s)
        finally:
            timings.add("source", self._clock.monotonic() - begun)
        fetched = binding.fetched_at >= now
        timings.fetched = timings.fetched or fetched
        view = await self.through(replace(want, invested=True) if fetched and not want.invested else want, binding)
        timings.plan = view.plan
        return view

    async def through(self, want: Want, binding: Binding) -> View:
        """Look at a want through a binding."""
        _check_size(want, binding)
        if binding.info is None:
            binding = await self._probed(want, binding)
        assert binding.info is not None
        overlays = await self._overlay_digests(want)
        ways = resolve_ways(want.asked.pipeline, binding.info, want.offer, want.tenant.policy)
        low = None if ways.low is None or binding.private else self._view(want, binding, ways.low, overlays)
        return self._view(want, binding, ways.plan, overlays, low, laddered=bool(ways.ladder))

    def _view(
        self,
        want: Want,
        binding: Binding,
        plan: Plan,
        overlays: tuple[str, ...],
        low: View | None = None,
        *,
        laddered: bool = False,
    ) -> View:
        digests = (binding.digest, *overlays, *_buster(want.tenant))
        key, *old = plan_keys(want.tenant.name, digests, plan, self._epochs)
        return View(want, binding, plan, key, tuple(old), overlays, low=low, laddered=laddered)

    async def quicker(self, view: View) -> View | None:
        """Look at the same want in a format that is quick to write, if the client has a choice and would get a slow one."""
        want, kind = view.want, view.plan.save.format
        if kind not in SLOW or kind not in want.offer.accepts or view.binding.private or view.fallback:
            return None
        offer = replace(want.offer, accepts=tuple(f for f in want.offer.accepts if f not in SLOW))
        quick = await self.through(replace(want, offer=offer), view.binding)
        return None if quick.plan.save.format in SLOW else quick

    async def at_once(self, view: View) -> View | None:
        """Look at what is given while a slow format is made behind the answer, if it is."""
        return await self.quicker(view) if view.want.tenant.delivery.promote else None

    async def lighter(self, view: View) -> View | None:
        """Look at the same want made with less effort, if there is less."""
        tenant = dataclasses.replace(view.want.tenant, policy=lighter(view.want.tenant.policy))
        light = await self.through(replace(view.want, tenant=tenant), view.binding)
        return None if light.key == view.key else light

    async def again(self, view: View, binding: Binding) -> View:
        """Look at the same want once more, because an input has changed meanwhile: the source is now `binding`."""
        return await (self.fallback(view.want) if view.fallback else self.through(view.want, binding))

    async def fallback(self, want: Want) -> View:
        """Look at the tenant's fallback image in place of the source."""
        binding = await self._standins.binding(want.asker, want.tenant, want.tenant.fallback)
        view = await self.through(want, binding)
        return replace(view, fallback=True, low=None)

    async def _probed(self, want: Want, binding: Binding) -> Binding:
        """Have a header read, once for all who want the same of the same bytes at this time."""
        most = want.asked.pipeline.bounds.source_pixels or want.tenant.policy.source_pixels
        if binding.private:
            return await self._probe(want, binding, most)
        ref = want.asked.pipeline.source
        key = f"{want.tenant.name} {binding.digest} {most} {want.forwarded.digest} {ref.buster} {ref.url}"
        return await self._flights.join(key, lambda: self._probe(want, binding, most), want.asker)

    async def _probe(self, want: Want, binding: Binding, source_pixels: int) -> Binding:
        ref = want.asked.pipeline.source
        with await self._sources.open(want.asker, binding, ref, want.forwarded) as lease:
            info = await self._engine.probe(
                lease.fd(),
                lease.binding.size,
                known_format(lease),
                asker=want.asker,
                digest=lease.binding.digest,
                source_pixels=source_pixels,
            )
            return await self._sources.learn(lease.binding, info)

    async def _overlay_digests(self, want: Want) -> tuple[str, ...]:
        if not want.wears_watermark:
            return ()
        return ((await self._standins.binding(want.asker, want.tenant, want.tenant.watermark)).digest,)


def _buster(tenant: Tenant) -> tuple[str, ...]:
    """A tenant's own part of every key, which it changes to have every ETag change."""
    return (tenant.delivery.etag_buster,) if tenant.delivery.etag_buster else ()


def _check_size(want: Want, binding: Binding) -> None:
    """Hold a source against its tenant's bound; the node's own was held while it was fetched."""
    most = want.asked.pipeline.bounds.source_bytes or want.tenant.source_bytes
    if most and binding.size > most:
        raise SourceTooLarge(f"the source has {binding.size} bytes; this tenant allows {most}")


def known_format(lease: Lease) -> Format:
    """Return the sniffed format.

    Raises:
        UnsupportedImage: naming what the bytes are instead, if that is known.
    """
    if lease.format is None or lease.format not in LOADABLE:
        what = FACTS[lease.format].mime if lease.format else (lease.foreign or "not an image")
        supported = ", ".join(sorted(LOADABLE))
        raise UnsupportedImage(f"the source is {what}; supported are {supported}")
    return lease.format

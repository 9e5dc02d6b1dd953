"""Watermarks and fallback images: given by configuration as bytes or as a source URL, opened like any source."""

from __future__ import annotations

from collections.abc import Callable

from tintype.admission.asker import Asker
from tintype.core.binding import Binding
from tintype.core.errors import Misconfigured, UnsupportedImage
from tintype.core.info import ImageInfo
from tintype.core.pipeline import SourceRef
from tintype.core.tenant import StandIn, Tenant
from tintype.ports import Engine, Forwarded, Lease, Sources

# Stand-ins with header facts kept: a few for each tenant.
_KEPT = 1024
# How long one is not asked for again when its origin says nothing of freshness: every result that wears it needs its digest.
ASSUME_FRESH_S = 60.0


class StandIns:
    """Opens stand-ins and knows their header facts. `given` makes a lease for a stand-in of bytes or a file, or None."""

    def __init__(self, sources: Sources, engine: Engine, given: Callable[[str, StandIn], Lease | None]) -> None:
        self._sources = sources
        self._engine = engine
        self._given = given
        self._infos: dict[str, ImageInfo] = {}  # by digest: the same bytes, whosever they are

    async def open(self, asker: Asker, tenant: Tenant, standin: StandIn) -> Lease:
        """Return its bytes.

        Raises:
            SourceError: a stand-in given by URL could not be fetched.
            Misconfigured: there is none.
        """
        lease = self._given(tenant.name, standin)
        return lease or await self._fetched(asker, await self._bound(asker, standin), standin)

    async def binding(self, asker: Asker, tenant: Tenant, standin: StandIn) -> Binding:
        """Return its binding, with header facts; needs its bytes only the first time. Raises as `open`, and ImageError."""
        lease = self._given(tenant.name, standin)
        if lease is None:
            bound = await self._bound(asker, standin)
            if bound.info is not None:
                return bound
            lease = await self._fetched(asker, bound, standin)
        with lease:
            info = self._infos.get(lease.binding.digest) or await self._probe(asker, tenant, lease)
            self._keep(lease.binding.digest, info)
            return await self._sources.learn(lease.binding, info)

    async def _bound(self, asker: Asker, standin: StandIn) -> Binding:
        if not standin.url:
            raise Misconfigured("this tenant has no such image; set its data, path or url")
        ref = SourceRef(url=standin.url)
        return await self._sources.bind(asker, ref, Forwarded(), assume_fresh_s=ASSUME_FRESH_S)

    async def _fetched(self, asker: Asker, bound: Binding, standin: StandIn) -> Lease:
        return await self._sources.open(asker, bound, SourceRef(url=standin.url), Forwarded())

    async def _probe(self, asker: Asker, tenant: Tenant, lease: Lease) -> ImageInfo:
        if lease.format is None:
            raise UnsupportedImage(f"the configured image is {lease.foreign or 'not an image'}")
        return await self._engine.probe(
            lease.fd(),
            lease.binding.size,
            lease.format,
            asker=asker,
            digest=lease.binding.digest,
            source_pixels=tenant.policy.source_pixels,
        )

    def _keep(self, digest: str, info: ImageInfo) -> None:
        if len(self._infos) >= _KEPT:
            self._infos.clear()
        self._infos[digest] = info

"""Watermarks and fallback images: given by configuration as bytes or as a source URL, opened like any source."""

from __future__ import annotations

from collections.abc import Callable

from msgspec.structs import replace

from tintype.core.binding import Binding
from tintype.core.errors import Misconfigured, UnsupportedImage
from tintype.core.info import ImageInfo
from tintype.core.pipeline import SourceRef
from tintype.core.tenant import StandIn, Tenant
from tintype.ports import Engine, Forwarded, Lease, Sources

# Stand-ins with header facts kept: a few for each tenant.
_KEPT = 1024


class StandIns:
    """Opens stand-ins and knows their header facts. `given` makes a lease for a stand-in of bytes or a file, or None."""

    def __init__(self, sources: Sources, engine: Engine, given: Callable[[str, StandIn], Lease | None]) -> None:
        self._sources = sources
        self._engine = engine
        self._given = given
        self._infos: dict[str, ImageInfo] = {}  # by digest: the same bytes, whosever they are

    async def open(self, tenant: Tenant, standin: StandIn, deadline: float) -> Lease:
        """Return its bytes.

        Raises:
            SourceError: a stand-in given by URL could not be fetched.
            Misconfigured: there is none.
        """
        lease = self._given(tenant.name, standin)
        if lease is not None:
            return lease
        if not standin.url:
            raise Misconfigured("this tenant has no such image; set its data, path or url")
        ref = SourceRef(url=standin.url)
        binding = await self._sources.bind(tenant.name, ref, Forwarded(), deadline)
        return await self._sources.open(binding, ref, Forwarded(), deadline)

    async def binding(self, tenant: Tenant, standin: StandIn, deadline: float) -> Binding:
        """Return its binding, with header facts. Raises as `open`, and ImageError."""
        with await self.open(tenant, standin, deadline) as lease:
            known = self._infos.get(lease.binding.digest)
            if known is not None:
                return replace(lease.binding, info=known)
            if lease.format is None:
                raise UnsupportedImage(f"the configured image is {lease.foreign or 'not an image'}")
            info = await self._engine.probe(
                lease.fd(),
                lease.binding.size,
                lease.format,
                tenant=tenant.name,
                digest=lease.binding.digest,
                source_pixels=tenant.policy.source_pixels,
                deadline=deadline,
            )
            self._keep(lease.binding.digest, info)
            return replace(lease.binding, info=info)

    def _keep(self, digest: str, info: ImageInfo) -> None:
        if len(self._infos) >= _KEPT:
            self._infos.clear()
        self._infos[digest] = info

"""A node: its parts that outlive a request, and how it begins, takes over new settings and ends."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from tintype.admission.gate import Gate
from tintype.cache.tiers import Tiers
from tintype.config import Config
from tintype.coordination.assemble import Coordination
from tintype.engine.pool import Pool
from tintype.engine.reserve import Reserve
from tintype.ports import Clock
from tintype.services.behind import Behind
from tintype.services.degrade import Degrade
from tintype.services.leasing import Leasing
from tintype.sources.sources import SourceStore
from tintype.telemetry.node import NodeTelemetry
from tintype.web.front import Front
from tintype.web.memo import Memo
from tintype.web.mounts import Site
from tintype.wiring.cases import cases_over
from tintype.wiring.front import front_over
from tintype.wiring.given import GivenImages
from tintype.wiring.stores import Ground, open_stores
from tintype.wiring.tenants import mounts


@dataclass(frozen=True, slots=True)
class Node:
    """A node's parts that outlive a request. `start` before serving, `close` after."""

    front: Front
    site: Site
    memo: Memo
    degrade: Degrade
    gate: Gate
    engine: Pool
    reserve: Reserve
    cache: Tiers
    sources: SourceStore
    leasing: Leasing | None
    coordination: Coordination
    behind: tuple[Behind, ...]
    given: GivenImages
    telemetry: NodeTelemetry

    async def start(self) -> None:
        """Start the engine; returns when at least one worker is ready."""
        await self.coordination.start()
        await self.engine.start()

    def reload(self, config: Config) -> None:
        """Take over new tenants: all at once, between two requests."""
        self.given.load(config)
        self.site.mounts = mounts(config)
        self.memo.forget()
        self.degrade.forget()

    async def close(self) -> None:
        """Close everything, the engine first: what it still makes goes into the cache."""
        for behind in self.behind:
            await behind.close()
        await asyncio.gather(self.engine.close(), self.reserve.close())
        await self.cache.close()
        if self.leasing is not None:
            await self.leasing.close()
        await self.coordination.close()
        await self.sources.close()


def build(config: Config, telemetry: NodeTelemetry, clock: Clock) -> Node:
    """Put a node together. Reads files that the configuration names; starts nothing.

    Raises:
        Misconfigured: a part cannot be made as the settings say.
    """
    ground = Ground(config, telemetry, clock)
    stores = open_stores(ground)
    cases = cases_over(ground, stores)
    site = Site(mounts(config))
    return Node(
        front=front_over(ground, stores, cases, site),
        site=site,
        memo=stores.memo,
        degrade=cases.degrade,
        gate=stores.gate,
        engine=cases.engine,
        reserve=cases.reserve,
        cache=stores.cache,
        sources=stores.sources,
        leasing=cases.leasing,
        coordination=cases.coordination,
        behind=cases.behind,
        given=cases.given,
        telemetry=telemetry,
    )

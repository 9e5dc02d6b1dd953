"""Use cases of a node, and the engines, lines and leases that they work with."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.admission.quota.quotas import Quotas
from tintype.admission.top import Top
from tintype.coordination.assemble import Coordination, open_coordination
from tintype.core.epoch import OLD_EPOCHS, RENDER_EPOCH
from tintype.engine.pixels import Kept
from tintype.engine.pool import Pool
from tintype.engine.reserve import Reserve
from tintype.kit.flights import Flights
from tintype.services.behind import Behind
from tintype.services.degrade import Degrade
from tintype.services.explain import Explain
from tintype.services.jobs import Jobs
from tintype.services.ladder import Ladder
from tintype.services.leasing import Leasing
from tintype.services.look import Look
from tintype.services.make import Found, Make
from tintype.services.purge import Purge
from tintype.services.render import Render
from tintype.services.spending import Spending
from tintype.services.standins import StandIns
from tintype.wiring.engines import reserve_of
from tintype.wiring.given import GivenImages
from tintype.wiring.stores import Ground, Stores


@dataclass(frozen=True, slots=True)
class Cases:
    """What a node does. `top`: what cost most; `behind`: lines of what nobody waits for."""

    render: Render
    purge: Purge
    explain: Explain
    degrade: Degrade
    behind: tuple[Behind, ...]
    engine: Pool
    reserve: Reserve
    given: GivenImages
    top: Top[tuple[str, str]]
    leasing: Leasing | None
    coordination: Coordination


def cases_over(ground: Ground, stores: Stores) -> Cases:
    """Put the use cases together over what a node keeps. Raises Misconfigured."""
    config, telemetry, clock = ground.config, ground.telemetry, ground.clock
    limits, cached, sources, cache, gate = config.limits, config.cache, stores.sources, stores.cache, stores.gate
    kept = Kept(config.engine.finished_bytes)
    telemetry.watch("engine_finished_bytes", lambda: kept.used_bytes)
    engine = Pool(config.engine, config.security, limits, telemetry, clock, gate, kept=kept)
    reserve = Reserve(lambda: reserve_of(config, telemetry, clock, kept))
    given = GivenImages(config)
    standins = StandIns(sources, engine, given.lease)
    renewals = Behind("renewal", cached.renewals_per_s, engine, clock, telemetry)
    promotions = Behind("promotion", cached.promotions_per_s, engine, clock, telemetry)
    look = Look(sources, engine, standins, Flights(clock.monotonic), clock, epochs=(RENDER_EPOCH, *OLD_EPOCHS))
    top: Top[tuple[str, str]] = Top()
    jobs = Jobs(sources, engine, reserve, standins, top, clock, timeout_s=limits.request_timeout_s)
    ladder = Ladder(sources.mezzanines, jobs, engine, Flights(clock.monotonic), telemetry)
    shared = bool(cached.object_url)
    coordination = open_coordination(config.coordination, shared=shared, clock=clock, telemetry=telemetry)
    leasing = Leasing(coordination.accounts, clock) if coordination.accounts else None
    spending = Spending(Quotas(), leasing, clock, telemetry)
    flights: Flights[Found] = Flights(clock.monotonic)
    make = Make(jobs, ladder, cache, cache, flights, coordination.leads, spending, gate, clock)
    degrade = Degrade(gate, look, make, cache, clock, telemetry)
    assume_fresh_s = cached.assume_fresh_s
    render = Render(
        sources, cache, look, make, degrade, gate, renewals, promotions, clock, telemetry, assume_fresh_s=assume_fresh_s
    )
    return Cases(
        render=render,
        purge=Purge(sources, cache, stores.memo.forget, telemetry),
        explain=Explain(
            sources, cache, sources.mezzanines, look, degrade, gate, spending, clock, render.assumed_fresh_s
        ),
        degrade=degrade,
        behind=(renewals, promotions),
        engine=engine,
        reserve=reserve,
        given=given,
        top=top,
        leasing=leasing,
        coordination=coordination,
    )

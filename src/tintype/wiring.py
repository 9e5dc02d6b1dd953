"""The bill of materials: the only module that names concrete adapters, and where a node is put together from them."""

from __future__ import annotations

import asyncio
import base64
import binascii
import math
import os
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from tintype.admission.backlog import Backlog
from tintype.admission.expect import Expectation
from tintype.admission.gate import Gate, Patience
from tintype.admission.queue import Rules
from tintype.admission.quotas import Quotas
from tintype.admission.top import Top
from tintype.cache.assemble import open_cache
from tintype.cache.tiers import Tiers
from tintype.config import Config, Loaded, TenantConfig, reload, watch_paths, with_keys
from tintype.coordination.assemble import Coordination, open_coordination
from tintype.core.entry import Selector
from tintype.core.epoch import OLD_EPOCHS, RENDER_EPOCH
from tintype.core.errors import Draining, Misconfigured, Overloaded, TintypeError
from tintype.core.tenant import StandIn
from tintype.dialects.imgproxy import Imgproxy
from tintype.engine.pool import Pool
from tintype.engine.reserve import LOWEST, Reserve
from tintype.kit import machine
from tintype.kit.flights import Flights
from tintype.kit.held import HeldLease
from tintype.ports import Clock, Dialect, Lease
from tintype.services.behind import Behind
from tintype.services.degrade import Degrade
from tintype.services.demo import make_photo
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
from tintype.sources.assemble import open_sources
from tintype.sources.sources import SourceStore
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.web.demo import Demo
from tintype.web.front import ASGIApp, Front
from tintype.web.greet import greet
from tintype.web.handover import HandOver
from tintype.web.image import ImagePath
from tintype.web.memo import Memo
from tintype.web.mounts import Mount, Mounts, Site
from tintype.web.proxies import Proxies
from tintype.web.quick import Quick
from tintype.web.reply import Desk
from tintype.web.run import Serving, run
from tintype.web.slow import SlowLog
from tintype.web.supervisor import CONFIGURATION_ERROR, Supervisor, same_command
from tintype.web.traced import TracedQuick
from tintype.web.turnaway import TurnAway

# Set in the front process, which is started as the supervisor was.
_FRONT = "_TINTYPE_FRONT"

DEMO_PHOTO = "demo.jpg"
DEMO_URL = f"local:///{DEMO_PHOTO}"

# The demo photo is drawn once, by an engine that may be on a slow machine.
_DEMO_S = 60.0

# What a render takes before any was measured.
_TYPICAL_MS = 50.0
_PATIENT = Patience(math.inf, math.inf)  # of the command line, and of what nobody waits for

# How long a worker may take to say that it is there.
_READY_S = 5.0


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
    data = Path(config.data_dir)
    limits, server, cached = config.limits, config.server, config.cache
    memo = Memo()

    async def heard(selector: Selector) -> None:
        """Carry out another node's purge on what is not in the shared tier."""
        await sources.drop(selector, soft=False)
        memo.forget()

    cache = open_cache(cached, data / "cache", limits=limits, clock=clock, telemetry=telemetry, heard=heard)
    gate = _gate(config, _rules(config), Patience(config.admission.crowd_s, config.admission.burst_s))
    sources = open_sources(config.sources, cached, limits, data / "sources", telemetry, clock, gate)
    engine = Pool(config.engine, config.security, limits, telemetry, clock, gate)
    reserve = Reserve(lambda: _reserve(config, telemetry, clock))
    given = GivenImages(config)
    standins = StandIns(sources, engine, given.lease)
    renewals = Behind("renewal", cached.renewals_per_s, engine, clock, telemetry)
    promotions = Behind("promotion", cached.promotions_per_s, engine, clock, telemetry)
    look = Look(sources, engine, standins, Flights(clock.monotonic), clock, epochs=(RENDER_EPOCH, *OLD_EPOCHS))
    top: Top[tuple[str, str]] = Top()
    jobs = Jobs(sources, engine, reserve, standins, top, clock, timeout_s=limits.request_timeout_s)
    ladder = Ladder(sources.mezzanines, jobs, Flights(clock.monotonic), telemetry)
    shared = bool(cached.object_url)
    coordination = open_coordination(config.coordination, shared=shared, clock=clock, telemetry=telemetry)
    leasing = Leasing(coordination.accounts, clock) if coordination.accounts else None
    spending = Spending(Quotas(), leasing, clock, telemetry)
    flights: Flights[Found] = Flights(clock.monotonic)
    make = Make(jobs, ladder, cache, cache, flights, coordination.leads, spending, gate, clock)
    degrade = Degrade(gate, look, make, cache, clock, telemetry)
    render = Render(
        sources,
        cache,
        look,
        make,
        degrade,
        renewals,
        promotions,
        clock,
        telemetry,
        assume_fresh_s=cached.assume_fresh_s,
    )
    site = Site(mounts(config))
    proxies = Proxies(server.trusted_proxies)
    away = TurnAway(site, gate, sources, clock, telemetry, limits, proxies, prefix=server.path_prefix)
    tracer = telemetry.traces(clock)
    quick = (
        TracedQuick(site, memo, cache, clock, telemetry, away, tracer)
        if tracer
        else Quick(site, memo, cache, clock, telemetry, away)
    )
    images = ImagePath(
        site,
        render,
        cache,
        memo,
        quick,
        clock,
        telemetry,
        limits,
        proxies,
        HandOver(server.hand_over, data / "handed", telemetry),
        development_errors=server.development_errors,
        debug_headers=server.debug_headers,
    )
    purge = Purge(sources, cache, memo.forget, telemetry)
    explain = Explain(sources, cache, sources.mezzanines, look, gate, spending, clock, render.assumed_fresh_s)
    front = Front(
        images,
        quick,
        Desk(
            telemetry, clock, server.write_timeout_s, SlowLog(config.telemetry.slow_request_s, clock, telemetry), tracer
        ),
        server,
        Readiness(engine, clock),
        control=_control(config, purge, explain, images, site, top, clock),
        home=_home(config, site),
    )
    behind = (renewals, promotions)
    return Node(
        front,
        site,
        memo,
        degrade,
        gate,
        engine,
        reserve,
        cache,
        sources,
        leasing,
        coordination,
        behind,
        given,
        telemetry,
    )


def dialect_for(tenant: TenantConfig) -> Dialect:
    """Return a tenant's dialect.

    Raises:
        Misconfigured: its settings are wrong, or there is no such dialect.
    """
    if tenant.tenant.dialect != "imgproxy":
        raise Misconfigured(f"tenants.{tenant.name}.dialect: {tenant.tenant.dialect!r} is not one of: imgproxy")
    return Imgproxy(tenant.imgproxy)


def mounts(config: Config) -> Mounts:
    """Return the mount table of a configuration."""
    return Mounts.of([Mount(tenant.tenant, dialect_for(tenant)) for tenant in config.tenants])


def _rules(config: Config) -> Rules:
    settings, admission = config.engine, config.admission
    return Rules(
        workers=settings.workers or machine.cores(),
        heavy_ms=settings.heavy_ms,
        heavy_patience_s=settings.heavy_patience_s,
        memory_bytes=admission.memory_bytes or machine.memory_bytes() * 3 // 4,
        # What has waited for longer than any that is let in should was predicted wrong.
        target_s=2 * admission.burst_s,
        interval_s=2 * admission.burst_s,
    )


def _patient(rules: Rules) -> Rules:
    """Return rules under which nothing has waited too long."""
    return replace(rules, target_s=math.inf, interval_s=math.inf)


def _gate(config: Config, rules: Rules, patience: Patience) -> Gate:
    return Gate(
        Backlog(rules), Expectation(_TYPICAL_MS), patience, most=config.limits.render_queue, lock=threading.RLock()
    )


def _reserve(config: Config, telemetry: NodeTelemetry, clock: Clock) -> Pool:
    """Make the pool of what nobody waits for; the line behind the answers is its bound."""
    alone = replace(config.engine, workers=1, nice=LOWEST)
    gate = _gate(config, _patient(replace(_rules(config), workers=1)), _PATIENT)
    return Pool(alone, config.security, config.limits, telemetry, clock, gate, name="reserve")


@asynccontextmanager
async def engine(config: Config) -> AsyncIterator[Pool]:
    """Run an engine by itself, for the command line."""
    telemetry, clock = NodeTelemetry(config.telemetry), SystemClock()
    gate = _gate(config, _patient(_rules(config)), _PATIENT)
    pool = Pool(config.engine, config.security, config.limits, telemetry, clock, gate)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def serve(loaded: Loaded) -> int:
    """Run a node under a supervisor; returns the exit status."""
    if os.environ.get(_FRONT) == "1":
        return run(_front(loaded))
    telemetry = NodeTelemetry(loaded.config.telemetry)
    for warning in loaded.warnings:
        telemetry.event("configuration_warning", level="warning", message=warning)
    kill_after_s = loaded.config.server.drain_timeout_s + loaded.config.limits.request_timeout_s + 5
    return Supervisor(same_command(), {**os.environ, _FRONT: "1"}, telemetry, kill_after_s).run()


async def _front(loaded: Loaded) -> int:
    """The front process: build the node, serve, drain, close."""
    config = with_demo(loaded.config)
    telemetry, clock = NodeTelemetry(config.telemetry), SystemClock()
    try:
        node = build(config, telemetry, clock)
        if config.server.metrics_port:
            telemetry.serve_metrics(config.server.metrics_host, config.server.metrics_port)
    except Misconfigured as error:
        telemetry.event("misconfigured", level="error", message=str(error))
        return CONFIGURATION_ERROR
    current = [loaded]

    def again() -> None:
        current[0] = with_keys(reload(current[0]))
        node.reload(with_demo(current[0].config))

    async def started() -> None:
        await node.start()
        if config.embedded:
            await _welcome(node, config, clock)

    try:
        serving = Serving(node.front, config.server, config.limits, telemetry)
        drained = await serving.until_stopped(started(), again, lambda: watch_paths(current[0]))
        telemetry.event("stopped", drained=drained)
    except Misconfigured as error:
        telemetry.event("misconfigured", level="error", message=str(error))
        return CONFIGURATION_ERROR
    finally:
        await node.close()
        telemetry.close()
    return 0


def with_demo(config: Config) -> Config:
    """Let an embedded node without local sources serve the demo photo from its data folder."""
    if not config.embedded or config.sources.local_root:
        return config
    folder = _demo_folder(config)
    folder.mkdir(parents=True, exist_ok=True)
    return replace(config, sources=replace(config.sources, local_root=str(folder)))


def _demo_folder(config: Config) -> Path:
    return Path(config.data_dir).resolve() / "demo"


async def _welcome(node: Node, config: Config, clock: Clock) -> None:
    photo = _demo_folder(config) / DEMO_PHOTO
    if config.sources.local_root == str(photo.parent):
        if not os.path.exists(photo):  # noqa: PTH110, ASYNC240 - once, before anyone is served
            await make_photo(node.engine, photo, clock.monotonic() + _DEMO_S)
        greet(config.server, node.site.mounts.mounts[0].dialect, DEMO_URL, demo=config.server.demo)


class Readiness:
    """Whether the engine answers: asked of a real worker, at most once a second."""

    def __init__(self, engine: Pool, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._said: tuple[float, bool] = (float("-inf"), False)

    async def __call__(self) -> bool:
        """Return whether a worker is ready; an engine that is busy counts as ready."""
        asked_at, ready = self._said
        if self._clock.monotonic() - asked_at < 1:
            return ready
        try:
            async with asyncio.timeout(_READY_S):
                await self._engine.check()
            ready = True
        except Overloaded as error:
            ready = not isinstance(error, Draining)
        except (TintypeError, TimeoutError):
            ready = False
        self._said = (self._clock.monotonic(), ready)
        return ready


class GivenImages:
    """Watermarks and fallbacks that the configuration gives as base64 or as a file, held in memory."""

    def __init__(self, config: Config) -> None:
        self._held: dict[tuple[str, StandIn], HeldLease] = {}
        self.load(config)

    def load(self, config: Config) -> None:
        """Read the images of a configuration, in place of those before. Raises Misconfigured."""
        held = {}
        for tenant in config.tenants:
            for name, standin in (("watermark", tenant.tenant.watermark), ("fallback", tenant.tenant.fallback)):
                body = _body(f"tenants.{tenant.name}.{name}", standin)
                if body is not None:
                    held[tenant.name, standin] = HeldLease(tenant.name, f"{name}:", body)
        self._held = held

    def lease(self, tenant: str, standin: StandIn) -> Lease | None:
        return self._held.get((tenant, standin))


def _body(setting: str, standin: StandIn) -> bytes | None:
    try:
        if standin.data:
            return base64.b64decode("".join(standin.data.split()), validate=True)
        return Path(standin.path).read_bytes() if standin.path else None
    except (binascii.Error, ValueError):
        raise Misconfigured(f"{setting}.data is not base64") from None
    except OSError as error:
        raise Misconfigured(f"{setting}.path: {standin.path} cannot be read: {error.strerror}") from None


def _control(
    config: Config,
    purge: Purge,
    explain: Explain,
    images: ImagePath,
    site: Site,
    top: Top[tuple[str, str]],
    clock: Clock,
) -> ASGIApp | None:
    if not config.server.admin_token:
        return None
    from tintype.web.control import control_api  # noqa: PLC0415 - FastAPI costs half a second of start-up
    from tintype.web.questions import questions  # noqa: PLC0415

    def mounted() -> Mounts:
        return site.mounts

    prefix = config.server.path_prefix
    asked = questions(explain, images.want, mounted, top, clock, prefix)
    return control_api(purge, asked, mounted, clock, config.server.admin_token, prefix)


def _home(config: Config, site: Site) -> ASGIApp | None:
    if not (config.server.demo and config.embedded and config.sources.local_root):
        return None
    return Demo(site.mounts.mounts[0].dialect, DEMO_URL, config.server.path_prefix)

"""The front of a node: what HTTP requests meet."""

from __future__ import annotations

from tintype.config import Config
from tintype.web.front import ASGIApp, Front
from tintype.web.handover import HandOver
from tintype.web.image import ImagePath
from tintype.web.later import Later
from tintype.web.mounts import Mounts, Site
from tintype.web.proxies import Proxies
from tintype.web.pulse import Pulse
from tintype.web.quick import Quick
from tintype.web.refuser import Refuser
from tintype.web.reply import Desk
from tintype.web.slow import SlowLog
from tintype.web.traced import TracedQuick
from tintype.web.turnaway import TurnAway
from tintype.wiring.cases import Cases
from tintype.wiring.ready import Readiness
from tintype.wiring.stores import Ground, Stores

DEMO_PHOTO = "demo.jpg"
DEMO_URL = f"local:///{DEMO_PHOTO}"


def front_over(ground: Ground, stores: Stores, cases: Cases, site: Site) -> Front:
    """Put the front together over the use cases. Raises Misconfigured."""
    config, telemetry, clock = ground.config, ground.telemetry, ground.clock
    limits, server, memo, cache = config.limits, config.server, stores.memo, stores.cache
    proxies, refuser = Proxies(server.trusted_proxies), Refuser(clock, telemetry)
    pulse = Pulse(clock.monotonic, lambda: refuser.tell(telemetry), stores.gate.let_go)
    away = TurnAway(site, stores.gate, stores.sources, cache, clock, refuser, limits, proxies, pulse, server)
    tracer = telemetry.traces(clock)
    quick = (
        TracedQuick(site, memo, cache, clock, telemetry, away, tracer)
        if tracer
        else Quick(site, memo, cache, clock, telemetry, away)
    )
    images = ImagePath(
        site,
        cases.render,
        cache,
        memo,
        quick,
        clock,
        telemetry,
        limits,
        proxies,
        HandOver(server.hand_over, ground.data / "handed", telemetry),
        development_errors=server.development_errors,
        debug_headers=server.debug_headers,
    )
    slow = SlowLog(config.telemetry.slow_request_s, clock, telemetry)
    return Front(
        images,
        quick,
        Desk(telemetry, clock, server.write_timeout_s, slow, tracer),
        server,
        Readiness(cases.engine, clock),
        pulse,
        control=_control(ground, cases, images, site),
        home=_home(config, site),
    )


def _control(ground: Ground, cases: Cases, images: ImagePath, site: Site) -> ASGIApp | None:
    server = ground.config.server
    if not server.admin_token:
        return None
    token, prefix = server.admin_token, server.path_prefix

    def mounted() -> Mounts:
        return site.mounts

    def made() -> ASGIApp:
        from tintype.web.control import control_api  # noqa: PLC0415 - FastAPI costs as much as all else of a front's start
        from tintype.web.questions import questions  # noqa: PLC0415

        asked = questions(cases.explain, images.want, mounted, cases.top, ground.clock, prefix)
        return control_api(cases.purge, asked, mounted, ground.clock, token, prefix)

    return Later(made)


def _home(config: Config, site: Site) -> ASGIApp | None:
    if not (config.server.demo and config.embedded and config.sources.local_root):
        return None
    from tintype.web.demo import Demo  # noqa: PLC0415 - for a fresh install alone

    return Demo(site.mounts.mounts[0].dialect, DEMO_URL, config.server.path_prefix)

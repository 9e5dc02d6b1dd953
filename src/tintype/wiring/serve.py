"""Serving: the supervisor's process and the front's, from a configuration to an exit status."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

from tintype.config import Config, Loaded, reload, watch_paths, with_keys
from tintype.core.errors import Misconfigured
from tintype.ports import Clock
from tintype.services.demo import make_photo
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.web.greet import greet
from tintype.web.listening import ensure_free
from tintype.web.run import Serving, run
from tintype.web.supervisor import CONFIGURATION_ERROR, Supervisor, same_command
from tintype.wiring.front import DEMO_PHOTO, DEMO_URL
from tintype.wiring.node import Node, build

# Set in the front process, which is started as the supervisor was.
_FRONT = "_TINTYPE_FRONT"

# The demo photo is drawn once, by an engine that may be on a slow machine.
_DEMO_S = 60.0


def serve(loaded: Loaded) -> int:
    """Run a node under a supervisor; returns the exit status.

    Raises:
        Misconfigured: it could not listen where it is to.
    """
    if os.environ.get(_FRONT) == "1":
        return run(_front(loaded))
    server = loaded.config.server
    ensure_free(server.host, server.port, "server.host, server.port")
    ensure_free(server.metrics_host, server.metrics_port, "server.metrics_host, server.metrics_port")
    telemetry = NodeTelemetry(loaded.config.telemetry)
    for warning in loaded.warnings:
        telemetry.event("configuration_warning", level="warning", message=warning)
    kill_after_s = server.drain_timeout_s + loaded.config.limits.request_timeout_s + 5
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

"""A front, from its configuration to an exit status."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path

from tintype.config import Config, Loaded, reload, watch_paths, with_keys
from tintype.core.errors import Misconfigured
from tintype.ports import Clock
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.web.greet import greet
from tintype.web.run import Serving, run
from tintype.web.supervisor import CONFIGURATION_ERROR
from tintype.wiring.front import DEMO_PHOTO, DEMO_URL
from tintype.wiring.node import Node, build
from tintype.wiring.supervise import handed

# The demo photo is drawn once, by an engine that may be on a slow machine.
_DEMO_S = 60.0


def main() -> int:
    """Run a front; returns its exit status."""
    try:
        loaded = handed()
    except Misconfigured as error:
        sys.stderr.write(f"tintype: {error}\n")
        return CONFIGURATION_ERROR
    return run(_front(loaded))


async def _front(loaded: Loaded) -> int:
    """Build the node, serve, drain, close."""
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
            from tintype.services.demo import make_photo  # noqa: PLC0415 - for the first start of a fresh install alone

            await make_photo(node.engine, photo, clock.monotonic() + _DEMO_S)
        greet(config.server, node.site.mounts.mounts[0].dialect, DEMO_URL, demo=config.server.demo)

"""Engines and who is let into them: that of the answers, the reserve of what nobody waits for, that of the command line."""

from __future__ import annotations

import math
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.weighing.backlog import Backlog
from tintype.admission.weighing.scales import Patience
from tintype.config import Config
from tintype.engine.pixels import Kept
from tintype.engine.pool import Pool
from tintype.engine.reserve import LOWEST
from tintype.kit import machine
from tintype.ports import Clock
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry

# What a render takes before any was measured.
_FIRST_MS = 50.0
_PATIENT = Patience(math.inf, math.inf)  # of the command line, and of what nobody waits for


def rules_of(config: Config) -> Rules:
    """Return the rules of the queue for workers."""
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


def gate_of(config: Config, rules: Rules, patience: Patience) -> Gate:
    """Return a gate, which may be asked from any thread."""
    return Gate(
        Backlog(rules), Expectation(_FIRST_MS), patience, most=config.limits.render_queue, lock=threading.RLock()
    )


def reserve_of(config: Config, telemetry: NodeTelemetry, clock: Clock, kept: Kept) -> Pool:
    """Make the pool of what nobody waits for; the line behind the answers is its bound."""
    alone = replace(config.engine, workers=1, nice=LOWEST)
    gate = gate_of(config, _patient(replace(rules_of(config), workers=1)), _PATIENT)
    return Pool(alone, config.security, config.limits, telemetry, clock, gate, name="reserve", kept=kept)


@asynccontextmanager
async def engine(config: Config) -> AsyncIterator[Pool]:
    """Run an engine by itself, for the command line."""
    telemetry, clock = NodeTelemetry(config.telemetry), SystemClock()
    gate = gate_of(config, _patient(rules_of(config)), _PATIENT)
    pool = Pool(config.engine, config.security, config.limits, telemetry, clock, gate)
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()

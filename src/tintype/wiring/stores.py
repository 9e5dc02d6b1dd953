"""Stores of a node: what it keeps of sources and results, and the gate before the first fetch."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tintype.admission.gate import Gate
from tintype.admission.weighing.scales import Patience
from tintype.cache.assemble import open_cache
from tintype.cache.tiers import Tiers
from tintype.config import Config
from tintype.core.entry import Selector
from tintype.ports import Clock
from tintype.sources.assemble import open_sources
from tintype.sources.sources import SourceStore
from tintype.telemetry.node import NodeTelemetry
from tintype.web.memo import Memo
from tintype.wiring.engines import gate_of, rules_of


@dataclass(frozen=True, slots=True)
class Ground:
    """What all of a node stands on."""

    config: Config
    telemetry: NodeTelemetry
    clock: Clock

    @property
    def data(self) -> Path:
        return Path(self.config.data_dir)


@dataclass(frozen=True, slots=True)
class Stores:
    """What a node keeps."""

    memo: Memo
    gate: Gate
    cache: Tiers
    sources: SourceStore


def open_stores(ground: Ground) -> Stores:
    """Open what a node keeps. Raises Misconfigured."""
    config, telemetry, clock = ground.config, ground.telemetry, ground.clock
    limits, cached = config.limits, config.cache
    memo = Memo()

    async def heard(selector: Selector) -> None:
        """Carry out another node's purge on what is not in the shared tier, in the order of `services.purge`."""
        await sources.drop(selector, soft=False)
        await cache.hear(selector)
        memo.forget()

    wait_s = config.ends_within_s  # for a predecessor, taken to have the same settings
    cache = open_cache(
        cached,
        ground.data / "cache",
        limits=limits,
        clock=clock,
        telemetry=telemetry,
        heard=heard,
        lock_wait_s=wait_s,
    )
    gate = gate_of(config, rules_of(config), Patience(config.admission.crowd_s, config.admission.burst_s))
    sources = open_sources(
        config.sources, cached, limits, ground.data / "sources", telemetry, clock, gate, lock_wait_s=wait_s
    )
    return Stores(memo, gate, cache, sources)

"""Where the time of one cold request goes, in our own node: fetch, probe, decode, steps, encode, and the rest, the front."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

from bench import node
from bench.cells import CELLS, Cell, sources
from bench.field import Effort, Field
from bench.peers import Peer

PHASES = ("fetch", "probe", "decode", "steps", "encode", "front")
_REQUESTS = 24


def parts(peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Tell where the milliseconds of a cold request go in our node, one request at a time."""
    ours = [peer for peer in peers if peer.name.startswith("tintype")]
    return [_parts(peer, cell, effort) for cell in CELLS.values() for peer in ours]


def _parts(peer: Peer, cell: Cell, effort: Effort) -> dict[str, Any]:
    with ExitStack() as stack:
        field = Field(stack, replace(effort, connections=1), sources(cell.source, effort.photos))
        (side,) = field.servers([peer])
        field.able([side], cell.want)
        running = side.server.node
        assert running is not None
        before = running.metrics()
        side.tally.rounds.append(side.go(field.fresh(min(_REQUESTS, effort.requests)), cell.want))
        found = split(before, running.metrics(), side.tally.count, 1000 * sum(side.tally.rounds[0].times))
    return {"cell": cell.name, "side": peer.name, "title": peer.title, **found, "CPU ms": side.tally.cpu_ms}


def split(before: Mapping[str, float], after: Mapping[str, float], count: int, total_ms: float) -> dict[str, float]:
    """Return milliseconds of one request by phase, from scrapes before and after `count` requests that took a total."""

    def each(name: str, **labels: str) -> float:
        return 1000 * (node.total(after, name, **labels) - node.total(before, name, **labels)) / count

    found = {
        "fetch": each("fetch_seconds_sum"),
        "probe": each("engine_seconds_sum", kind="probe"),
        **{phase: each("engine_cpu_seconds_total", phase=phase) for phase in ("decode", "steps", "encode")},
    }
    return {**found, "front": max(0.0, total_ms / count - sum(found.values()))}

"""Hits beside their ceilings: a no-op application on the same HTTP server, and nginx with the result as a file."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from bench import hits as asked
from bench import origin
from bench.field import Effort
from bench.peers import Peer
from bench.tree import Tree

_CONNECTIONS = 32
_SECONDS = 3.0


def hits(_peers: Sequence[Peer], effort: Effort) -> list[dict[str, Any]]:
    """Ask for results of 20 KB that are there, signed, from memory and from disk; beside a no-op application and nginx."""
    with tempfile.TemporaryDirectory(prefix="tintype-bench-") as folder, ExitStack() as stack:
        work = Path(folder)
        sides = [*asked.started(stack, work, ["no-op", "memory", "disk"]), *_nginx(stack, work)]
        for side in sides:
            asked.blow(side, work, 1, _CONNECTIONS)
        for number in range(effort.rounds):
            first = number % len(sides)
            for side in (*sides[first:], *sides[:first]):
                side.rounds.append(asked.blow(side, work, _SECONDS, _CONNECTIONS))
    return [_row(side, sides) for side in sides]


def _nginx(stack: ExitStack, work: Path) -> list[asked.Side]:
    """Return nginx with as many files as there are results; none where nginx is not installed."""
    root, place = work / "results", work / "nginx"
    root.mkdir()
    for number in range(asked.RESULTS):
        (root / f"{number}.jpg").write_bytes(bytes(asked.SIZE))
    base = stack.enter_context(origin.serving(root, place))
    pid = place / "nginx.pid"
    if not pid.exists():
        print("not found: nginx; to have it as the ceiling: install it from the distribution")
        return []
    tree = Tree([int(pid.read_text())])
    paths = [f"/{number}.jpg" for number in range(asked.RESULTS)]
    return [asked.Side("nginx", int(base.rpartition(":")[2]), paths, tree.cpu_s)]


def _row(side: asked.Side, sides: Sequence[asked.Side]) -> dict[str, Any]:
    ratios = {
        f"of {other.name}": statistics.median(m.per_s / o.per_s for m, o in zip(side.rounds, other.rounds, strict=True))
        for other in sides
        if other.name in ("no-op", "nginx")
    }
    requests = sum(found.requests for found in side.rounds)
    return {
        "side": side.name,
        "req/s": statistics.median(found.per_s for found in side.rounds),
        **ratios,
        "CPU us": 1e6 * sum(found.cpu_s for found in side.rounds) / max(1, requests),
        "p50 ms": statistics.median(found.p50_ms for found in side.rounds),
        "p99 ms": statistics.median(found.p99_ms for found in side.rounds),
        "errors": sum(found.errors for found in side.rounds),
    }

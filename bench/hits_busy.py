"""How long hits from memory take at four fifths of what the node can answer, while both its workers render all the time.

wrk asks; it must be installed. Misses come from a thread here, a few at once, each a result that nobody asked for before.
"""

from __future__ import annotations

import argparse
import itertools
import shutil
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bench import hits, load, node, origin
from bench.photos import made
from bench.report import report

_PAUSE_MS = 5  # of a connection between its requests, on average; not the same each time, or all would ask at once
_PACED = f"\nfunction delay() return math.random(0, {2 * _PAUSE_MS}) end\n"


@contextmanager
def rendering(running: node.Node, source: str, at_once: int) -> Iterator[load.Load]:
    """Keep the workers busy until the block ends."""
    paths = (
        running.path(source, width=200 + number % 500, quality=50 + number // 500, format="webp")
        for number in itertools.count()
    )
    misses = load.Load(running.port, paths, connections=at_once, seconds=3600)
    thread = threading.Thread(target=load.run, args=(misses,))
    thread.start()
    try:
        yield misses
    finally:
        misses.stop()
        thread.join()


def steady(side: hits.Side, work: Path, seconds: float, per_s: float, answer_ms: float) -> hits.Found:
    """Ask at about `per_s` requests a second, if answers take about `answer_ms`."""
    connections = max(1, round(per_s * (_PAUSE_MS + answer_ms) / 1000))
    return hits.blow(side, work, seconds, connections, _PACED)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--seconds", type=float, default=5.0)
    given.add_argument("--part", type=float, default=0.8, help="of the capacity")
    args = given.parse_args()
    if not shutil.which("wrk"):
        raise SystemExit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        rows = [_measured(stack, Path(folder), args)]
    report("hits_busy", rows, part=args.part)


def _measured(stack: ExitStack, work: Path, args: Any) -> dict[str, Any]:
    file = made(work / "sources" / "photo.jpg", 1600, 1200, 1)
    base = stack.enter_context(origin.serving(file.parent, work / "origin"))
    running = stack.enter_context(node.running(work / "node", {"sources.allow_loopback": True}))
    source = f"{base}/{file.name}"
    side = hits.Side("memory", running.port, hits.prepare(running, source), lambda: running.cpu_s().front)
    misses = stack.enter_context(rendering(running, source, at_once=4))
    hits.blow(side, work, 2, 32)
    before = misses.tally.count
    most = [hits.blow(side, work, args.seconds, 32) for _ in range(args.rounds)]
    capacity = statistics.median(found.per_s for found in most)
    answer_ms = steady(side, work, 2, args.part * capacity, 0).p50_ms
    paced = [steady(side, work, args.seconds, args.part * capacity, answer_ms) for _ in range(args.rounds)]
    asked = statistics.median(found.per_s for found in paced)
    return {
        "capacity/s": capacity,
        "asked/s": asked,
        "of capacity": asked / capacity,
        "p50 ms": statistics.median(found.p50_ms for found in paced),
        "p99 ms": statistics.median(found.p99_ms for found in paced),
        "renders meanwhile": misses.tally.count - before,
        "errors": sum(found.errors for found in most + paced),
    }


if __name__ == "__main__":
    main()

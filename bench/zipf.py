"""A Zipf load: a million signed URLs, exponent 0.9, caches that hold enough for hit ratios of 50, 90 and 99 %.

For each ratio the result cache on disk is filled with the most asked-for keys, the node starts on it, and is restarted in
the middle of the load: the ratio must come back at once, and nothing may fail but what is asked while it is away. Then an
If-None-Match storm on fresh bindings whose results are nowhere: it must cause no render and no fetch.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from bench import load, node, origin
from bench.photos import made
from bench.report import report, table
from bench.zipf_fill import Filler

EXPONENT = 0.9
SOURCES = 250
_AWAY_S = 60.0
# Bytes of an entry of some 700 bytes on disk and in the index; the files' blocks are the larger part.
_ENTRY_BYTES = 5200


class Keys:
    """A million results of some small sources, by rank: the lower, the more often asked for."""

    def __init__(self, count: int, base: str, signed: node.Node) -> None:
        self.count, self._base, self._node = count, base, signed
        weights = 1 / np.arange(1, count + 1) ** EXPONENT
        self._shares = np.cumsum(weights / weights.sum())

    def path(self, rank: int) -> str:
        """Return a signed path; ranks of one source are spread over all."""
        source, variant = rank % SOURCES, rank // SOURCES
        size = 8 + variant % 64
        turned = (0, 90, 180, 270)[variant // 64 % 4]
        options = {"rotate": turned} if turned else {}
        return self._node.path(
            f"{self._base}/{source}.jpg", width=size, quality=30 + variant // 256, format="jpg", **options
        )

    def holding(self, ratio: float) -> int:
        """Return how many of the first ranks take this share of all requests."""
        return int(np.searchsorted(self._shares, ratio)) + 1

    def drawn(self, seed: int) -> Iterator[str]:
        """Yield paths as often as their rank says, without end."""
        rng = np.random.default_rng(seed)
        while True:
            for rank in np.searchsorted(self._shares, rng.random(4096)):
                yield self.path(min(int(rank), self.count - 1))


class Watch:
    """Counts answers by how they came about, before and after a restart."""

    def __init__(self) -> None:
        self.ways: dict[str, Counter[str]] = {"before": Counter(), "away": Counter(), "after": Counter()}
        self.phase = "before"

    def heard(self, answer: load.Answer) -> None:
        way = answer.headers.get("server-timing", "").partition("desc=")[2].partition(",")[0]
        self.ways[self.phase][f"{answer.status} {way}"] += 1

    def ratio(self, phase: str) -> float:
        ways = self.ways[phase]
        return ways["200 hit"] / max(1, sum(ways.values()))

    def failures(self) -> dict[str, int]:
        """Return answers that are neither images nor the refusals of a node that is being shut down."""
        found: Counter[str] = Counter()
        for phase, ways in self.ways.items():
            for way, count in ways.items():
                shutting_down = phase == "away" and way == "503 draining"
                if not way.startswith("200 ") and not shutting_down:
                    found[f"{phase}: {way}"] += count
        return dict(found)


def under_load(keys: Keys, work: Path, settings: Mapping[str, object], port: int, args: Any) -> dict[str, Any]:
    """Load a node, restart it in the middle, and say how both halves went."""
    watch = Watch()
    total_s = 2 * args.seconds + _AWAY_S
    asking = load.Load(
        port, keys.drawn(args.seed), connections=args.connections, seconds=total_s, heard=watch.heard, patient=True
    )
    client = threading.Thread(target=lambda: load.run(asking))
    with node.running(work, settings, port=port):
        client.start()
        time.sleep(args.seconds)
        watch.phase = "away"
        gone = time.monotonic()
    with node.running(work, settings, port=port) as running:
        away_s = time.monotonic() - gone
        watch.phase = "after"
        time.sleep(args.seconds)
        metrics = running.metrics()
        asking.stop()
        client.join()
    return _row(watch, asking.tally, away_s, metrics, args.seconds)


def _row(
    watch: Watch, tally: load.Tally, away_s: float, metrics: Mapping[str, float], seconds: float
) -> dict[str, Any]:
    counts = {phase: sum(ways.values()) for phase, ways in watch.ways.items()}
    return {
        "hit % before": 100 * watch.ratio("before"),
        "hit % after": 100 * watch.ratio("after"),
        "req/s before": counts["before"] / seconds,
        "req/s after": counts["after"] / seconds,
        "p50 ms": tally.percentile_ms(50),
        "p99 ms": tally.percentile_ms(99),  # of answers: waiting for a connection is not in it
        "away s": away_s,
        "refused": tally.refused,
        "cut off": tally.broken,
        "draining": watch.ways["away"]["503 draining"],
        "renders after": node.total(metrics, "engine_seconds_count", kind="run"),
        "failures": str(watch.failures() or ""),
    }


def storm(keys: Keys, work: Path, settings: Mapping[str, object], count: int) -> dict[str, Any]:
    """Ask again, with their ETags, for results that no cache has, of a node that has just started."""
    nowhere = {**settings, "cache.ram_bytes": 0, "cache.disk_bytes": 0}
    asks: list[load.Ask] = []

    def keep(answer: load.Answer) -> None:
        asks.append(load.Ask(answer.path, f"If-None-Match: {answer.headers['etag']}\r\n"))

    with node.running(work, nowhere) as running:
        load.run(load.Load(running.port, map(keys.path, range(count)), connections=8, heard=keep))
    with node.running(work, nowhere) as running:
        before = running.metrics()
        again = itertools.chain.from_iterable(itertools.repeat(asks, 5))
        tally = load.run(load.Load(running.port, again, connections=32))
        after = running.metrics()
    # What asks whether the node is ready is a job too, but has no time of its own.
    jobs, fetches = (
        node.total(after, name) - node.total(before, name) for name in ("engine_seconds_count", "fetches_total")
    )
    return {
        "requests": tally.count,
        "304": tally.statuses[304],
        "probes and renders": jobs,
        "fetches": fetches,
        "req/s": tally.per_s,
        "p99 ms": tally.percentile_ms(99),
    }


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--keys", type=int, default=1_000_000)
    given.add_argument("--ratios", default="50,90,99")
    given.add_argument("--seconds", type=float, default=20.0, help="of load before the restart, and after it")
    given.add_argument("--connections", type=int, default=16)
    given.add_argument("--seed", type=int, default=1)
    given.add_argument("--quick", action="store_true", help="20,000 keys, short")
    args = given.parse_args()
    if args.quick:
        args.keys, args.seconds = 20_000, 4.0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        rows, stormed = measured(stack, work, args)
    report("zipf", rows, keys=args.keys, exponent=EXPONENT, storm=stormed)
    print("If-None-Match storm:")
    print(table([stormed]))
    if any(row["failures"] for row in rows) or stormed["probes and renders"] or stormed["fetches"]:
        raise SystemExit(1)


def measured(stack: ExitStack, work: Path, args: Any) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a row for each hit ratio, and one for the storm."""
    for number in range(SOURCES):
        made(work / "sources" / f"{number}.jpg", 96, 72, number)
    base = stack.enter_context(origin.serving(work / "sources", work / "origin", fresh_s=86_400))
    settings = {"sources.allow_loopback": True, "telemetry.log_level": "info"}
    with node.running(work / "node", settings) as running:
        keys, port = Keys(args.keys, base, running), running.port
        fetched = load.run(load.Load(port, map(keys.path, range(SOURCES)), connections=8))
        assert set(fetched.statuses) == {200}, fetched.statuses
    filler = Filler(work / "node", work / "sources", base)
    rows = []
    for ratio in map(float, args.ratios.split(",")):
        held = keys.holding(ratio / 100)
        began = time.monotonic()
        size = asyncio.run(filler.fill(map(keys.path, range(held)), held * _ENTRY_BYTES))
        print(
            f"{held} of {args.keys} keys are on disk, {size / 1e6:.0f} MB, after {time.monotonic() - began:.0f} s",
            flush=True,
        )
        sized = {**settings, "cache.disk_bytes": size, "cache.ram_bytes": max(1_000_000, size // 50)}
        row = under_load(keys, work / "node", sized, port, args)
        rows.append({"ratio %": ratio, "entries": held, **row})
    return rows, storm(keys, work / "storm", settings, 500 if args.quick else 2000)


if __name__ == "__main__":
    main()

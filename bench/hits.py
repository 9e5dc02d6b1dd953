"""Hit throughput: results of 20 KB from memory and from disk, signed, logged, against a no-op application on the same server.

wrk asks where it is installed, else our own load generator, which is slower than the node: its figures are then a lower bound.
"""

from __future__ import annotations

import argparse
import itertools
import re
import shutil
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bench import load, node, noop, origin
from bench.photos import made
from bench.report import report

RESULTS = 400  # different results, so that the disk is not asked for one file again and again
SIZE = 20_000

_LUA = """
local paths = {}
for line in io.lines("%s") do paths[#paths + 1] = line end
local at = 0
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("FOUND %%d %%d %%d %%d %%d\\n", summary.requests, summary.duration, latency:percentile(50),
    latency:percentile(99), errors.connect + errors.read + errors.write + errors.status + errors.timeout))
end
"""


@dataclass
class Found:
    """One round: requests a second, percentiles in milliseconds, errors, CPU seconds of the server."""

    requests: int
    per_s: float
    p50_ms: float
    p99_ms: float
    errors: int
    cpu_s: float = 0.0


@dataclass
class Side:
    name: str
    port: int
    paths: Sequence[str]
    cpu_s: Callable[[], float]
    rounds: list[Found] = field(default_factory=list)


def blow(side: Side, work: Path, seconds: float, connections: int, more_lua: str = "") -> Found:
    """Ask for the side's paths in turn, over `connections`, for some seconds; `more_lua` is for wrk alone."""
    cpu = side.cpu_s()
    wrk = shutil.which("wrk")
    found = _wrk(wrk, side, work, seconds, connections, more_lua) if wrk else _own(side, seconds, connections)
    found.cpu_s = side.cpu_s() - cpu
    return found


def _wrk(wrk: str, side: Side, work: Path, seconds: float, connections: int, more_lua: str) -> Found:
    (work / "paths").write_text("\n".join(side.paths) + "\n")
    script = work / "wrk.lua"
    script.write_text(_LUA % (work / "paths") + more_lua)
    command = [wrk, "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "-s", str(script), f"http://127.0.0.1:{side.port}"]
    out = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60).stdout
    match = re.search(r"FOUND (\d+) (\d+) (\d+) (\d+) (\d+)", out)
    if match is None:
        raise RuntimeError(f"wrk said nothing that can be read:\n{out}")
    requests, micros, p50, p99, errors = map(int, match.groups())
    return Found(requests, requests / (micros / 1e6), p50 / 1000, p99 / 1000, errors)


def _own(side: Side, seconds: float, connections: int) -> Found:
    asking = load.Load(side.port, itertools.cycle(side.paths), connections=connections, seconds=seconds)
    tally = load.run(asking)
    errors = tally.count - tally.statuses[200]
    return Found(tally.count, tally.per_s, tally.percentile_ms(50), tally.percentile_ms(99), errors)


def prepare(running: node.Node, source: str) -> list[str]:
    """Have the node make the results; returns their signed paths."""
    paths = [
        running.path(source, width=330 + number % 20, quality=62 + number // 20, format="jpg")
        for number in range(RESULTS)
    ]
    sizes: list[int] = []
    tally = load.run(load.Load(running.port, iter(paths), connections=4, heard=lambda a: sizes.append(len(a.body))))
    if set(tally.statuses) != {200}:
        raise RuntimeError(f"answers other than 200: {tally.statuses}")
    print(f"{len(paths)} results of {min(sizes)} to {max(sizes)} bytes, mean {statistics.mean(sizes):.0f}")
    return paths


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--seconds", type=float, default=5.0)
    given.add_argument("--connections", type=int, default=32)
    given.add_argument("--sides", default="no-op,memory,disk")
    given.add_argument("--quick", action="store_true", help="two short rounds")
    args = given.parse_args()
    if args.quick:
        args.rounds, args.seconds = 2, 2.0
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        work = Path(folder)
        sides = started(stack, work, args.sides.split(","))
        for side in sides:
            blow(side, work, 2, args.connections)
        for _ in range(args.rounds):
            for side in sides:
                side.rounds.append(blow(side, work, args.seconds, args.connections))
    report("hits", [_row(side, sides[0]) for side in sides], bytes=SIZE, connections=args.connections)


def started(stack: ExitStack, work: Path, names: Sequence[str]) -> list[Side]:
    """Start the servers: no-op, a node with its results in memory, one with none in memory."""
    sides = []
    if "no-op" in names:
        port, pid = stack.enter_context(noop.serving(SIZE))
        sides.append(Side("no-op", port, ["/"], lambda: sum(psutil.Process(pid).cpu_times()[:2])))
    file = made(work / "sources" / "photo.jpg", 1600, 1200, 1)
    base = stack.enter_context(origin.serving(file.parent, work / "origin"))
    for name in ("memory", "disk"):
        if name in names:
            settings = {
                "sources.allow_loopback": True,
                "cache.ram_bytes": 256_000_000 if name == "memory" else 0,
            }
            running = stack.enter_context(node.running(work / name, settings))
            sides.append(Side(name, running.port, prepare(running, f"{base}/{file.name}"), _front_cpu(running)))
    return sides


def _front_cpu(running: node.Node) -> Callable[[], float]:
    return lambda: running.cpu_s().front


def _row(side: Side, reference: Side) -> dict[str, Any]:
    pairs = zip(side.rounds, reference.rounds, strict=True)
    requests = sum(found.requests for found in side.rounds)
    return {
        "side": side.name,
        "requests/s": statistics.median(found.per_s for found in side.rounds),
        f"of {reference.name}": statistics.median(mine.per_s / other.per_s for mine, other in pairs),
        "p50 ms": statistics.median(found.p50_ms for found in side.rounds),
        "p99 ms": statistics.median(found.p99_ms for found in side.rounds),
        "CPU us": 1e6 * sum(found.cpu_s for found in side.rounds) / max(1, requests),
        "errors": sum(found.errors for found in side.rounds),
    }


if __name__ == "__main__":
    main()

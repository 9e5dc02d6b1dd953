"""Overload: what a server still answers in time at twice, five and ten times what it can do, and how it comes back.

Every URL is distinct and every source new. Requests are due at a steady rate, whatever became of those before, and give up
after 10 s. First the capacity is found: the most that is answered with an image within a second, at rates around what a
few connections get out of the server. Then come multiples of it, and the first rate again. Machines change their speed from
minute to minute: what these connections get is looked at before and after each of all that, and the capacity taken for so much
more or less. The client runs on the same machine, and ten times the requests are ten times its work: "of capacity" charges that
to the server, "of what is left" does not. Work counts by what it costs: where requests differ, an answer counts for its kind's
share of the mix; "mix off by" is the largest difference between a kind's part of the work that was asked for and its part of what
was answered in time, and "by chance" what a server that chooses by lot stays below in nineteen of twenty runs. "of calm" is the
memory beyond the results that are kept in it, of that in the first row.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench import fresh, load, openload
from bench.cells import sources
from bench.collapse import collapsed
from bench.mixes import MIXES, Kind, chance, drawn, skew, work
from bench.openload import Due, attack
from bench.peers import CORES, PEERS, Peer, Server, imgproxy, installed, tintype
from bench.report import report
from bench.tree import Peak, Tree, watching
from tintype.admission.settings import AdmissionSettings

_CONNECTIONS = 4
_AROUND = (0.8, 0.9, 1.0, 1.1, 1.2)  # of what these get: where the knee is looked for
_WARM_S, _CALM_S = 1.0, 2.0
_BACK_S, _BACK_WITHIN_S = 1.0, 30.0


_SHIPPED = AdmissionSettings()
OURS = tintype(
    "tintype",
    "tintype, as it is shipped",
    admission__crowd_s=_SHIPPED.crowd_s,
    admission__burst_s=_SHIPPED.burst_s,
)
_TUNED = (
    collapsed(PEERS["oximg"]),
    imgproxy("imgproxy-queue", "imgproxy with a short queue", REQUESTS_QUEUE_SIZE="8"),
)
SIDES: dict[str, Peer] = {OURS.name: OURS, **PEERS, **{peer.name: peer for peer in _TUNED}}


class Asking:
    """Requests for one server, no two alike, in the parts of a mix."""

    def __init__(self, server: Server, mix: Sequence[Kind], photos: int) -> None:
        self._server, self.mix = server, mix
        self._files = {kind.name: itertools.cycle(sources(kind.source, photos)) for kind in mix}
        self._number = itertools.count(int(time.time() * 1000) % 1_000_000_000)
        self._kinds = drawn(mix)

    def __iter__(self) -> Iterator[Due]:
        return self

    def __next__(self) -> Due:
        kind = next(self._kinds)
        name = f"{next(self._number)}/{next(self._files[kind.name]).name}"
        return Due(f"http://127.0.0.1:{self._server.port}{self._server.path(name, kind.want)}", kind.name)

    def some(self, count: float) -> Iterator[Due]:
        return itertools.islice(self, max(1, int(count)))

    def weight(self, counts: Counter[str]) -> float:
        """Return requests of the mix that answers of these kinds are worth, by what they cost."""
        return sum(work(self.mix, counts).values()) / sum(kind.part * kind.ms for kind in self.mix)


@dataclass(frozen=True)
class Capacity:
    """The most that is answered in time of what was tried, by what a few connections got right before and after.

    Attributes:
        of_few: times what these got.
        few: what they got in all of these looks, in requests a second.
        tried: each rate, in requests a second.
    """

    of_few: float
    few: float
    tried: list[dict[str, float]]

    @property
    def most(self) -> float:
        return self.at(self.few)

    def at(self, few: float) -> float:
        """Return the capacity, in requests a second, when these connections get so much."""
        return self.of_few * few


def closed(asking: Asking, port: int, seconds: float) -> float:
    """Return how many requests a second a few connections get answered that wait for one before they ask for the next."""
    paths = (due.url.partition(f":{port}")[2] for due in asking)
    found = load.run(load.Load(port, paths, connections=_CONNECTIONS, seconds=seconds))
    return found.statuses[200] / found.took_s


def capacity(asking: Asking, port: int, seconds: float, folder: Path) -> Capacity:
    """Find the most requests a second that are answered in time."""
    closed(asking, port, _WARM_S)
    looks, tried = [closed(asking, port, seconds / 2)], []
    for times in _AROUND:
        per_s = times * looks[-1]
        heard = attack(asking.some(per_s * seconds), per_s, folder)
        time.sleep(_CALM_S)
        looks.append(closed(asking, port, seconds / 2))
        in_time = asking.weight(heard.in_time) / heard.seconds
        tried.append({"offered": per_s, "in time": in_time, "of few": in_time / ((looks[-2] + looks[-1]) / 2)})
    return Capacity(max(each["of few"] for each in tried), sum(looks) / len(looks), tried)


def overloaded(name: str, server: Server, asking: Asking, args: Any, folder: Path) -> list[dict[str, Any]]:
    """Return a row for each multiple of the capacity."""
    found = capacity(asking, server.port, args.seconds, folder)
    print(f"{name}: {found}", flush=True)
    rows: list[dict[str, Any]] = []
    for times in map(float, args.times.split(",")):
        before = found.at(closed(asking, server.port, args.seconds / 2))
        row = _overloaded(times, before, server, asking, args.seconds, folder)
        after = found.at(closed(asking, server.port, args.seconds / 2))
        most = (before + after) / 2
        calm = rows[0] if rows else row
        row = {
            "side": name,
            "of capacity": row["in time"] / most,
            "of what is left": row["in time"] / (most * left(row["client cores"] - calm["client cores"], CORES)),
            "capacity": most,
            **row,
            "of calm": (row["peak MB"] - row["results MB"]) / (calm["peak MB"] - calm["results MB"]),
        }
        print({key: round(value, 3) if isinstance(value, float) else value for key, value in row.items()}, flush=True)
        rows.append(row)
    return rows


def left(client_cores: float, cores: int) -> float:
    """Return the part of so many cores that a client leaves to the server by taking so much more of them than a calm one."""
    return 1 - client_cores / cores


def _overloaded(
    times: float, most: float, server: Server, asking: Asking, seconds: float, folder: Path
) -> dict[str, Any]:
    tree, peak = Tree([server.pid]), Peak()
    before, began = tree.cpu_s(), time.monotonic()
    with watching(tree, peak):
        heard = attack(asking.some(times * most * seconds), times * most, folder)
    cpu = (tree.cpu_s() - before) / (time.monotonic() - began)
    return {
        "times": times,
        "offered": times * most,
        "in time": asking.weight(heard.in_time) / heard.seconds,
        "refused": len(heard.refused),
        "other": str(dict(heard.others) or ""),
        "p50 ms": heard.good_ms(50),
        "p99 ms": heard.good_ms(99),
        "refused p50": heard.refused_ms(50),
        "refused p99": heard.refused_ms(99),
        "skew": skew(asking.mix, heard.asked, heard.in_time),
        "by chance": chance(asking.mix, heard.asked, heard.in_time),
        "answered of each": str({name: round(heard.in_time[name] / asked, 3) for name, asked in heard.asked.items()}),
        "cores": cpu,
        "client cores": heard.client_s / heard.seconds,
        "peak MB": peak.bytes / 1e6,
        "results MB": _results(server) / 1e6,
        "back s": back(asking, 0.8 * most, folder, began + heard.seconds) if times > 1 else None,
    }


def _results(server: Server) -> float:
    """Return bytes of results that a node of our own keeps in memory, more with each answer until it may keep no more."""
    return server.node.metrics()['tintype_cache_bytes{tier="ram"}'] if server.node else 0.0


def back(asking: Asking, per_s: float, folder: Path, ended: float) -> float | None:
    """Return how long after the load all of a second's bearable number of requests are answered in time; None: not soon."""
    while (passed := time.monotonic() - ended) < _BACK_WITHIN_S:
        heard = attack(asking.some(per_s * _BACK_S), per_s, folder)
        if sum(heard.in_time.values()) >= 0.99 * sum(heard.asked.values()):
            return passed
    return None


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--times", default="0.8,2,5,10,0.8", help="multiples of the capacity")
    given.add_argument("--seconds", type=float, default=20.0, help="of each")
    given.add_argument("--mix", choices=MIXES, default="uniform")
    given.add_argument("--peers", default="tintype,oximg")
    given.add_argument("--photos", type=int, default=6)
    given.add_argument("--quick", action="store_true", help="short, and ours alone")
    given.add_argument("--quiet", action="store_true", help="nothing else runs: the figures are to be trusted")
    args = given.parse_args()
    if args.quick:
        args.seconds, args.peers, args.times = 5.0, "tintype", "0.8,5"
    if openload.program() is None:
        raise SystemExit(f"this needs vegeta: {openload.GET}, or VEGETA_BIN=/path/to/vegeta")
    mix, rows = MIXES[args.mix], []
    for name in installed(args.peers.split(","), SIDES):
        with ExitStack() as stack:
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="tintype-bench-")))
            root = work / "sources"
            root.mkdir()
            for file in {file for kind in mix for file in sources(kind.source, args.photos)}:
                (root / file.name).write_bytes(file.read_bytes())
            base = stack.enter_context(fresh.serving(root))
            server = stack.enter_context(SIDES[name].start(work / name, base))
            rows += overloaded(name, server, Asking(server, mix, args.photos), args, work)
    report("overload", rows, mix=args.mix, seconds=args.seconds, quiet=args.quiet)


if __name__ == "__main__":
    main()

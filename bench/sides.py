"""A side while it is measured: asked for the same sources as its neighbours, round by round, all its work charged."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from bench import load
from bench.cells import Want
from bench.judge import flaw
from bench.peers import Loop, Peer, Server
from bench.tree import Peak, Tree, watching

S = TypeVar("S", bound="Side")


@dataclass(frozen=True)
class Round:
    """One round: answers, how long they took together and each, CPU seconds until nothing more was done, answers not 200."""

    seconds: float
    times: tuple[float, ...]
    cpu_s: float
    body_bytes: int
    failed: int = 0

    @property
    def count(self) -> int:
        return len(self.times)

    @property
    def per_s(self) -> float:
        return (self.count - self.failed) / self.seconds


@dataclass
class Tally:
    """What a side's rounds came to."""

    rounds: list[Round] = field(default_factory=list)
    peak: Peak = field(default_factory=Peak)
    bodies: dict[int, bytes] = field(default_factory=dict)  # results of the first sources, to be judged

    @property
    def count(self) -> int:
        return sum(each.count for each in self.rounds)

    @property
    def failed(self) -> int:
        return sum(each.failed for each in self.rounds)

    @property
    def per_s(self) -> float:
        return statistics.median(each.per_s for each in self.rounds)

    @property
    def cpu_ms(self) -> float:
        return 1000 * sum(each.cpu_s for each in self.rounds) / max(1, self.count)

    @property
    def mean_bytes(self) -> float:
        return sum(each.body_bytes for each in self.rounds) / max(1, self.count)

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of all answer times in milliseconds."""
        together = load.Tally(seconds=[each for found in self.rounds for each in found.times])
        return together.percentile_ms(percent)

    def ratio(self, other: Tally) -> float:
        """Return how often this side's rate is the other's: the median of rounds that were neighbours."""
        return statistics.median(
            mine.per_s / theirs.per_s for mine, theirs in zip(self.rounds, other.rounds, strict=True)
        )


class Side(Protocol):
    """Something that makes variants of source files."""

    name: str
    title: str
    tally: Tally

    def unable(self, file: Path, want: Want) -> str:
        """Return why it cannot make this variant, "" if it can."""

    def go(self, files: Sequence[Path], want: Want, *, keep: int = 0) -> Round:
        """Make a variant of each file; keeps the first bodies."""


class ServerSide:
    """A server, asked over `connections`; `role` tells apart what one server is asked in several ways."""

    def __init__(
        self, peer: Peer, server: Server, connections: int, role: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        self.name, self.title, self.role = peer.name, peer.title, role
        self.server, self.tally = server, Tally()
        self.tree = Tree([server.pid])
        self._peer, self._connections, self._headers = peer, connections, headers

    def again(self, role: str, headers: Mapping[str, str] | None = None) -> ServerSide:
        """Return the same server with a tally of its own."""
        return ServerSide(self._peer, self.server, self._connections, role, headers)

    def unable(self, file: Path, want: Want) -> str:
        found: list[load.Answer] = []
        path = self.server.path(file.name, want)
        try:
            load.run(load.Load(self.server.port, iter([path]), connections=1, heard=found.append))
        except RuntimeError as error:
            return str(error)
        if found[0].status != 200:
            return f"answers {found[0].status}"
        return flaw(found[0].body, want.format, want.side)

    def go(self, files: Sequence[Path], want: Want, *, keep: int = 0) -> Round:
        paths = [self.server.path(file.name, want) for file in files]
        kept = {path: number for number, path in enumerate(paths[:keep])}

        def heard(answer: load.Answer) -> None:
            if answer.path in kept and answer.status == 200:
                self.tally.bodies[kept[answer.path]] = answer.body

        return self.ask(paths, heard)

    def ask(self, paths: Iterable[str], heard: Callable[[load.Answer], None] | None = None) -> Round:
        """Ask for each path once; CPU is counted until the server has nothing left to do."""
        asking = load.Load(
            self.server.port, iter(paths), connections=self._connections, heard=heard, headers=self._headers
        )
        before = self.tree.cpu_s()
        with watching(self.tree, self.tally.peak):
            found = load.run(asking)
        self.tree.settle()
        failed, cpu = found.count - found.statuses[200], self.tree.cpu_s() - before
        return Round(found.took_s, tuple(found.seconds), cpu, found.body_bytes, failed)


class LoopSide:
    """The loop without a server."""

    name, title = "pyvips", "bare libvips loop (gamma, no server)"

    def __init__(self, loop: Loop) -> None:
        self._loop, self.tally = loop, Tally()
        self._tree = Tree(loop.pids)

    def unable(self, file: Path, want: Want) -> str:
        return flaw(self._loop.make([file], want)[0][1], want.format, want.side)

    def go(self, files: Sequence[Path], want: Want, *, keep: int = 0) -> Round:
        before, began = self._tree.cpu_s(), time.perf_counter()
        with watching(self._tree, self.tally.peak):
            found = self._loop.make(files, want)
        took = time.perf_counter() - began
        self.tally.bodies.update(enumerate(body for _, body in found[:keep]))
        times = tuple(seconds for seconds, _ in found)
        return Round(took, times, self._tree.cpu_s() - before, sum(len(body) for _, body in found))


def reference(sides: Sequence[S]) -> S:
    """Return the side that ratios are given to: imgproxy where it is, else oximg, else the first."""
    return next((side for name in ("imgproxy", "oximg") for side in sides if side.name == name), sides[0])


def row(side: Side, more: Mapping[str, Any]) -> dict[str, Any]:
    """Return a side's figures by the names that tables show."""
    tally = side.tally
    return {
        "side": side.name,
        "title": side.title,
        "req/s": tally.per_s,
        "CPU ms": tally.cpu_ms,
        "p50 ms": tally.percentile_ms(50),
        "p99 ms": tally.percentile_ms(99),
        "peak MB": tally.peak.bytes / 1e6,
        "KB": tally.mean_bytes / 1000,
        **({"failed": tally.failed} if tally.failed else {}),
        **more,
    }

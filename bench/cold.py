"""Cold throughput: distinct URLs of camera photos over HTTP, against bare pyvips loops that make the same results.

The loops have one process for each core and do nothing but get a photo, decode, reduce and encode. They get it as the node
does, over HTTP from the same nginx, whose work on the same cores is then part of both: `bare` over HTTP is what the node is
held against. In the rows "from files" a loop reads the page cache instead: a ceiling that no server over HTTP can have.
`thumbnail` is what libvips does if it may choose, and a worse picture. Rounds alternate, so that whatever else the machine
does hits all of them; ratios are of one round's neighbours.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import multiprocessing
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cache
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from bench import load, node, origin
from bench.photos import photos
from bench.report import report

WIDTH, QUALITY = 512, 80
CORES = os.cpu_count() or 1
_START_S = 60.0


@dataclass
class Side:
    """One contender and what each round found: images, seconds, CPU seconds."""

    name: str
    go: Callable[[float], tuple[int, float, float]]
    rounds: list[tuple[int, float, float]] = field(default_factory=list)
    more: dict[str, float] = field(default_factory=dict)

    def rate(self, number: int) -> float:
        images, seconds, _ = self.rounds[number]
        return images / seconds

    @property
    def cpu_ms(self) -> float:
        return 1000 * sum(cpu for _, _, cpu in self.rounds) / max(1, sum(images for images, _, _ in self.rounds))


# Loops


def plan_of(data: bytes, light: str) -> tuple[int, int, int]:
    """Return the decoder's shrink and the size before turning that tintype plans for a photo."""
    from tintype.core.formats import Format  # noqa: PLC0415 - in the loop's process
    from tintype.core.offer import Offer  # noqa: PLC0415
    from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef  # noqa: PLC0415
    from tintype.core.plan import Scale  # noqa: PLC0415
    from tintype.core.policy import Light, Policy  # noqa: PLC0415
    from tintype.core.resolve import resolve  # noqa: PLC0415
    from tintype.worker.probe import probe  # noqa: PLC0415

    asked = Pipeline.of(SourceRef(url="x:///x"), Resize(width=WIDTH), output=Output(format=Format.JPEG))
    plan = resolve(asked, probe(Format.JPEG, data, 0), Offer(), Policy(light=Light(light)))
    (scale,) = (step for step in plan.steps if isinstance(step, Scale))
    return plan.load.shrink, scale.width, scale.height


def bare(name: str, data: bytes, light: str, plans: dict[str, tuple[int, int, int]]) -> bytes:
    """Do with plain pyvips what tintype plans for a photo."""
    import pyvips  # noqa: PLC0415 - in the loop's process

    shrink, width, height = plans.get(name) or plans.setdefault(name, plan_of(data, light))
    image = pyvips.Image.jpegload_buffer(data, shrink=shrink, access="sequential")
    if light == "linear":
        image = image.maplut(_to_linear()).copy(interpretation="rgb16")
        image = image.resize(width / image.width, vscale=height / image.height)
        image = image.maplut(_to_stored()).copy(interpretation="srgb")
    else:
        image = image.resize(width / image.width, vscale=height / image.height)
    if image.get_typeof("icc-profile-data"):
        image = image.icc_transform("srgb", embedded=True)
    image = image.copy_memory().autorot()
    return bytes(image.jpegsave_buffer(Q=QUALITY, optimize_coding=True, keep="none"))


def thumbnail(_name: str, data: bytes, _light: str, _plans: object) -> bytes:
    """Let libvips choose everything: a larger shrink than tintype's, so a worse picture for less work."""
    import pyvips  # noqa: PLC0415 - in the loop's process

    image = pyvips.Image.thumbnail_buffer(data, WIDTH, height=10_000_000)
    return bytes(image.jpegsave_buffer(Q=QUALITY, optimize_coding=True, keep="none"))


@cache
def _to_linear() -> Any:
    import pyvips  # noqa: PLC0415

    x = pyvips.Image.identity() / 255
    low, high = x / 12.92, ((x + 0.055) / 1.055) ** 2.4
    return ((x <= 0.04045).ifthenelse(low, high) * 65535).rint().cast("ushort").copy_memory()


@cache
def _to_stored() -> Any:
    import pyvips  # noqa: PLC0415

    x = pyvips.Image.identity(ushort=True) / 65535
    low, high = x * 12.92, 1.055 * x ** (1 / 2.4) - 0.055
    return ((x <= 0.0031308).ifthenelse(low, high) * 255).rint().cast("uchar").copy_memory()


LOOPS: dict[str, Callable[..., bytes]] = {"bare": bare, "thumbnail": thumbnail}


@dataclass(frozen=True)
class Shelf:
    """Where a loop gets its photos, by name: over HTTP, or from the files themselves if there is no `port`."""

    folder: Path
    names: tuple[str, ...]
    port: int = 0

    def reader(self) -> Callable[[str], bytes]:
        """Return what gets a photo; over HTTP, on one connection that is kept."""
        if not self.port:
            return lambda name: (self.folder / name).read_bytes()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_START_S)

        def read(name: str) -> bytes:
            connection.request("GET", f"/{name}")
            answer = connection.getresponse()
            if answer.status != 200:
                raise RuntimeError(f"the origin answers {answer.status} for {name}")
            return answer.read()

        return read


class Loop:
    """One process for each core, each making results in a row while a round lasts."""

    def __init__(self, kind: str, light: str, shelf: Shelf) -> None:
        context = multiprocessing.get_context("spawn")
        self.name = f"{kind} loop" if shelf.port else f"{kind} loop from files"
        self._results = context.Queue()
        self._seconds = [context.Queue() for _ in range(CORES)]
        # Kept: its memory would go to the next barrier while a process still leaves this one.
        ready = self._ready = context.Barrier(CORES + 1)
        args = (kind, light, shelf, self._results, ready)
        self._processes = [context.Process(target=_looping, args=(*args, each), daemon=True) for each in self._seconds]
        for process in self._processes:
            process.start()
        ready.wait(_START_S)

    def go(self, seconds: float) -> tuple[int, float, float]:
        began = time.perf_counter()
        for queue in self._seconds:
            queue.put(seconds)
        found = [self._results.get(timeout=seconds + _START_S) for _ in self._seconds]
        took = time.perf_counter() - began
        return sum(n for n, _ in found), took, sum(cpu for _, cpu in found)

    def close(self) -> None:
        for queue in self._seconds:
            queue.put(0.0)
        for process in self._processes:
            process.join(10)


def _looping(kind: str, light: str, shelf: Shelf, results: Any, ready: Barrier, seconds: Any) -> None:
    import pyvips  # noqa: PLC0415 - after the parent has set VIPS_CONCURRENCY

    pyvips.cache_set_max(0)
    pyvips.concurrency_set(1)
    plans: dict[str, tuple[int, int, int]] = {}
    make, read = LOOPS[kind], shelf.reader()
    for name in shelf.names:
        make(name, read(name), light, plans)
    ready.wait(_START_S)
    turn = itertools.cycle(shelf.names)
    while lasting := seconds.get():
        until, cpu, made = time.perf_counter() + lasting, time.process_time(), 0
        while time.perf_counter() < until:
            name = next(turn)
            make(name, read(name), light, plans)
            made += 1
        results.put((made, time.process_time() - cpu))


# The node


class NodeSide:
    """A node asked for photos it has never seen, over `connections`."""

    def __init__(self, running: node.Node, base: str, files: Sequence[Path], connections: int) -> None:
        self._node, self._connections = running, connections
        self._paths = self._urls(base, files)
        self.seconds: list[float] = []
        self.peak_bytes = self.images = 0
        self.front_s = 0.0

    def _urls(self, base: str, files: Sequence[Path]) -> Iterator[str]:
        """Yield URLs of sources never fetched, for results never made: equal bytes would share what differs in URL alone."""
        for number, file in enumerate(itertools.cycle(files)):
            lap = number // len(files)
            width, quality = WIDTH - 12 + lap % 25, QUALITY - 5 + lap // 25 % 11
            yield self._node.path(f"{base}/{file.name}?{number}", width=width, quality=quality, format="jpg")

    def go(self, seconds: float) -> tuple[int, float, float]:
        cpu = self._node.cpu_s()
        sampling = threading.Event()
        sampler = threading.Thread(target=self._sample, args=(sampling,))
        sampler.start()
        asking = load.Load(self._node.port, self._paths, connections=self._connections, seconds=seconds)
        tally = load.run(asking)
        sampling.set()
        sampler.join()
        if set(tally.statuses) != {200}:
            raise RuntimeError(f"answers other than 200: {tally.statuses}")
        self.seconds += tally.seconds
        now = self._node.cpu_s()
        self.front_s += now.front - cpu.front
        self.images += tally.count
        return tally.count, tally.took_s, sum(now) - sum(cpu)

    def more(self) -> dict[str, float]:
        return {
            "front CPU ms": 1000 * self.front_s / max(1, self.images),
            "p50 ms": statistics.median(self.seconds) * 1000,
            "peak MB": self.peak_bytes / 1e6,
        }

    def _sample(self, done: threading.Event) -> None:
        while not done.wait(0.5):
            memory = self._node.memory()
            self.peak_bytes = max(self.peak_bytes, memory.pss or memory.rss)


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--rounds", type=int, default=6)
    given.add_argument("--seconds", type=float, default=5.0)
    given.add_argument("--connections", type=int, default=6)
    given.add_argument("--lights", default="gamma,linear")
    given.add_argument("--quick", action="store_true", help="two short rounds")
    args = given.parse_args()
    if args.quick:
        args.rounds, args.seconds = 2, 2.0
    os.environ["VIPS_CONCURRENCY"] = "1"
    rows = []
    with tempfile.TemporaryDirectory() as work:
        files = photos(Path(work) / "photos")
        for light in args.lights.split(","):
            rows += measure(Path(work), files, light, args)
    report("cold", rows, photos=[f.name for f in files], width=WIDTH, connections=args.connections)


def measure(work: Path, files: Sequence[Path], light: str, args: argparse.Namespace) -> list[dict[str, Any]]:
    """Return a row for the node and each loop, all reducing in one light."""
    with ExitStack() as stack:
        base = stack.enter_context(origin.serving(files[0].parent, work / "origin"))
        # The same few photos come again and again under other URLs: without a ladder each is decoded whole, as a new one is.
        settings = {"sources.allow_loopback": True, "tenants.default.policy.light": light}
        settings["tenants.default.policy.ladder"] = ""
        running = stack.enter_context(node.running(work / light, settings))
        asked = NodeSide(running, base, files, args.connections)
        loops = _loops(light, base, files)
        for loop in loops:
            stack.callback(loop.close)
        sides = [*(Side(loop.name, loop.go) for loop in loops), Side("node", asked.go)]
        asked.go(args.seconds)  # connections, pools and the page cache are warm
        for _ in range(args.rounds):
            for side in sides:
                side.rounds.append(side.go(args.seconds))
        sides[-1].more = asked.more()
    return [_row(side, sides[0], light) for side in sides]


def _loops(light: str, base: str, files: Sequence[Path]) -> list[Loop]:
    """Start the loops, first the one that all are held against."""
    here = Shelf(files[0].parent, tuple(file.name for file in files))
    over_http = replace(here, port=int(base.rpartition(":")[2]))
    loops = [Loop("bare", light, over_http), Loop("bare", light, here)]
    return [*loops, Loop("thumbnail", light, over_http)] if light == "gamma" else loops


def _row(side: Side, reference: Side, light: str) -> dict[str, Any]:
    rates = [side.rate(n) for n in range(len(side.rounds))]
    ratios = [side.rate(n) / reference.rate(n) for n in range(len(side.rounds))]
    return {
        "light": light,
        "side": side.name,
        "images/s": statistics.median(rates),
        "of bare": statistics.median(ratios),
        "CPU ms": side.cpu_ms,
        "bare CPU / CPU": reference.cpu_ms / side.cpu_ms,
        **side.more,
    }


if __name__ == "__main__":
    main()

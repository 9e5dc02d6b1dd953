"""Whether the memory of a whole node stays flat while it makes images of mixed sizes, its workers never replaced.

The same URLs are asked for again and again, in another order each lap. They are more than the caches hold, so that all
that is kept of requests is full after the first lap, and almost every answer is rendered anew.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import random
import shutil
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from bench import load, node, origin
from bench.cells import sources
from bench.mutants import own_pictures
from bench.photos import photos

_SIDES = (64, 160, 320, 512, 800, 1200, 1600)
_ACCEPTS = ("image/avif,image/webp,*/*", "image/webp,*/*", "*/*")
_KINDS = ("jpeg2k", "png2k", "alpha2k", "webp2k", "avif2k")
_SETTINGS = {
    "sources.allow_loopback": True,
    "sources.store_bytes": 100_000_000,
    "cache.ram_bytes": 4_000_000,
    "cache.disk_bytes": 10_000_000,
    "limits.worker_images": 10**9,
    "limits.worker_rss_bytes": 10**12,
    "limits.request_timeout_s": 60,
    "tenants.default.policy.auto_formats": "avif,webp",
}
_BURST_S = 10.0  # requests of so much time are asked for at once; then the node comes to rest, and is looked at
_AT_ONCE = 4
_REST_S = 8.0  # at most, for work that nobody waits for
_QUIET_S, _IDLE = 1.5, 0.02  # of a core
_SLOTS = 20


class Sample(NamedTuple):
    """At a time (s since the beginning): bytes of each process without pages of files, which others share too; PSS of all."""

    at_s: float
    each: tuple[int, ...]
    pss: int

    @property
    def own(self) -> int:
        return sum(self.each)


@dataclass
class Found:
    samples: list[Sample] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    replaced: bool = False

    def growth(self, warm: float) -> float:
        """Return how much the node's own bytes grew after the first part, `warm`, of the time: as a fraction.

        That of a line through the least sample of every twentieth of the time since (two minutes of an hour), as one that
        caught the node at work has more than what it keeps; its slope is the median of those between any two (Theil and Sen).
        """
        until = self.samples[-1].at_s
        slot_s = (1 - warm) * until / _SLOTS
        slots: dict[int, Sample] = {}
        for sample in (sample for sample in self.samples if sample.at_s >= warm * until):
            slot = int(sample.at_s / slot_s)
            slots[slot] = min(sample, slots.get(slot, sample), key=lambda one: one.own)
        late = list(slots.values())
        slope = statistics.median(
            (b.own - a.own) / (b.at_s - a.at_s) for a, b in itertools.combinations(late, 2) if b.at_s > a.at_s
        )
        first = statistics.median(sample.own - slope * (sample.at_s - late[0].at_s) for sample in late)
        return slope * (1 - warm) * until / first


def measure(seconds: float, per_s: float) -> Found:
    """Ask a node for `per_s` images a second; prints a line a minute."""
    with tempfile.TemporaryDirectory(prefix="tintype-flat-") as folder, ExitStack() as stack:
        work = Path(folder)
        files = _files(work / "sources")
        base = stack.enter_context(origin.serving(work / "sources", work / "origin"))
        running = stack.enter_context(node.running(work / "node", _SETTINGS))
        asks = _asks(running, [f"{base}/{name}" for name in files])
        return asyncio.run(_asked(running, asks, seconds, per_s))


def _files(folder: Path) -> list[str]:
    """Put photos of up to 22 megapixels, pictures of every format and small ones into a folder; returns their names."""
    folder.mkdir(parents=True)
    found = photos(folder.parent / "photos")[:8] + [file for kind in _KINDS for file in sources(kind, 4)]
    for file in found:
        shutil.copy(file, folder / file.name)
    small = [(name.replace("[interlace]", "i"), body) for name, body in own_pictures()]
    for name, body in small:
        (folder / name).write_bytes(body)
    return [file.name for file in found] + [name for name, _ in small]


def _asks(running: node.Node, urls: Sequence[str]) -> Iterator[load.Ask]:
    wants = [
        load.Ask(running.path(url, width=side, height=side), f"Accept: {accept}\r\n")
        for url in urls
        for side in _SIDES
        for accept in _ACCEPTS
    ]
    order = random.Random(1)
    while True:
        order.shuffle(wants)
        yield from wants


async def _asked(running: node.Node, asks: Iterator[load.Ask], seconds: float, per_s: float) -> Found:
    found, began, told = Found(), time.monotonic(), 0.0
    before: set[int] = set()
    for number in itertools.count(1):
        burst = itertools.islice(asks, max(1, round(per_s * _BURST_S)))
        tally = await load.Load(running.port, burst, connections=_AT_ONCE).run()
        found.statuses.update(tally.statuses)
        await _rest(running)
        at_s = time.monotonic() - began
        found.samples.append(_sample(running, at_s))
        workers = {process.pid for process in running.workers()}  # one more once something was made behind answers
        found.replaced, before = found.replaced or not before <= workers, workers
        if at_s - told >= 60 or at_s >= seconds:
            told = at_s
            _tell(found)
        if at_s >= seconds:
            return found
        await asyncio.sleep(began + number * _BURST_S - time.monotonic())
    raise AssertionError("counts have no end")


async def _rest(running: node.Node) -> None:
    """Wait until the node does next to nothing, and its workers have handed back what they no longer need."""
    until = time.monotonic() + _REST_S
    while time.monotonic() < until:
        before = sum(running.cpu_s())
        await asyncio.sleep(_QUIET_S)
        if sum(running.cpu_s()) - before <= _QUIET_S * _IDLE:
            return


def _sample(running: node.Node, at_s: float) -> Sample:
    each, pss = [], 0
    for process in running.processes():
        with contextlib.suppress(psutil.NoSuchProcess):
            memory = process.memory_full_info()
            each.append(memory.rss - memory.shared + memory.swap)
            pss += memory.pss
    return Sample(at_s, tuple(each), pss)


def _tell(found: Found) -> None:
    last = found.samples[-1]
    answers = ", ".join(f"{count} of {status}" for status, count in sorted(found.statuses.items()))
    each = " + ".join(f"{own / 1e6:.0f}" for own in last.each)
    sizes = f"own {last.own / 1e6:.1f} MB = {each}  PSS {last.pss / 1e6:.1f} MB"
    print(f"{last.at_s / 60:5.1f} min  {sizes}  {answers}", flush=True)

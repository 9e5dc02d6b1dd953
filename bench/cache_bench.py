"""What a hit costs and how often there is one. Run: python -m bench.cache_bench [--quick]

Prints, for memory and disk, the time of a get beside that of a plain dict and a plain file read (the ratios travel
between machines, the times do not), the memory an entry takes beside what it is counted as, what opening a store costs
by the number of entries in it, and the hit ratio of S3-FIFO beside LRU on a Zipf load (exponent 0.9).
"""

from __future__ import annotations

import asyncio
import random
import shutil
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from itertools import accumulate
from pathlib import Path
from typing import Any

from tintype.cache.ram import RamCache
from tintype.cache.s3fifo import S3Fifo
from tintype.cache.tier import weight_of
from tintype.core.entry import Entry, EntryFacts
from tintype.core.formats import Format
from tintype.kit.filestore import FileStore
from tintype.telemetry.clock import SystemClock

BODY_BYTES = 30_000


class Quiet:
    """Telemetry that keeps nothing, so that only the caches are measured."""

    def event(self, name: str, /, **facts: Any) -> None: ...
    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...

    def counter(self, _name: str, /, **_labels: str) -> Callable[[float], None]:
        return lambda _: None

    def timer(self, _name: str, /, **_labels: str) -> Callable[[float], None]:
        return lambda _: None

    def line(self, _name: str, /, **_facts: Any) -> Callable[[str, float], None]:
        return lambda _id, _ms: None

    def watch(self, name: str, read: Callable[[], float], /, **labels: str) -> None: ...


def entry_of(number: int) -> Entry:
    facts = EntryFacts(
        tenant="default",
        source=f"https://images.example.com/photos/2026/{number:09d}.jpg",
        digest=random.Random(number).randbytes(32).hex(),
        format=Format.WEBP,
        width=512,
        height=340,
        source_width=4000,
        source_height=3000,
        source_bytes=3_300_000 + number,
        created_at=1.8e9 + number,
    )
    return Entry(facts=facts, body=random.Random(number).randbytes(BODY_BYTES))


def microseconds(work: Callable[[], object], times: int) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(times):
            work()
        best = min(best, time.perf_counter() - begun)
    return best / times * 1e6


async def microseconds_of(work: Callable[[], Awaitable[object]], times: int) -> float:
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        for _ in range(times):
            await work()
        best = min(best, time.perf_counter() - begun)
    return best / times * 1e6


def ram(entries: int) -> None:
    cache = RamCache(entries * (BODY_BYTES + 4000) * 2, telemetry=Quiet())
    plain = {}
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    for number in range(entries):
        cache.keep(f"{number:032x}", entry_of(number))
    taken = (tracemalloc.get_traced_memory()[0] - before) / entries
    tracemalloc.stop()
    for number in range(entries):
        plain[f"{number:032x}"] = number
    keys = random.Random(1).choices(list(plain), k=1000)
    ours = microseconds(lambda: [cache.find(key) for key in keys], 50) / 1000
    theirs = microseconds(lambda: [plain.get(key) for key in keys], 50) / 1000
    print(f"ram   get {ours:8.2f} us   dict  {theirs:8.2f} us   ratio {ours / theirs:5.1f}")
    print(f"ram   memory of an entry of {BODY_BYTES} bytes: {taken:.0f} (counted as {weight_of(entry_of(1))})")


async def disk(entries: int, folder: Path) -> None:
    store = FileStore(folder, 10**11, tier="disk", clock=SystemClock(), telemetry=Quiet())
    bodies = [random.Random(number).randbytes(BODY_BYTES) for number in range(50)]
    begun = time.perf_counter()
    for number in range(entries):
        await store.put(f"{number:032x}", bodies[number % 50], meta=bytes(300), source=f"https://x/{number}")
    put = (time.perf_counter() - begun) / entries * 1e6
    keys = iter(random.Random(2).choices([f"{number:032x}" for number in range(entries)], k=100_000))
    ours = await microseconds_of(lambda: store.get(next(keys)), 2000)
    paths = iter(random.Random(2).choices([p for p in (folder / "files").rglob("*") if p.is_file()], k=100_000))
    direct = microseconds(lambda: next(paths).read_bytes(), 2000)
    hop = await microseconds_of(lambda: asyncio.to_thread(lambda: next(paths).read_bytes()), 2000)
    at_once = await together(store, keys)
    print(f"disk  get {ours:8.1f} us   file  {direct:8.1f} us   ratio {ours / direct:5.1f}   (one after the other)")
    print(f"disk  get {ours:8.1f} us   the same file read in a thread {hop:8.1f} us   ratio {ours / hop:5.1f}")
    print(f"disk  get {at_once:8.1f} us   of 16 at once; put {put:8.1f} us")
    await store.close()


async def together(store: FileStore, keys: Any) -> float:
    async def some() -> None:
        for _ in range(200):
            await store.get(next(keys))

    begun = time.perf_counter()
    await asyncio.gather(*(some() for _ in range(16)))
    return (time.perf_counter() - begun) / 3200 * 1e6


async def opening(counts: tuple[int, ...], folder: Path) -> None:
    for count in counts:
        place = folder / str(count)
        store = FileStore(place, 10**11, tier="disk", clock=SystemClock(), telemetry=Quiet())
        for number in range(count):
            await store.put(f"k{number}", b"x", source=f"https://x/{number}")
        await store.close()
        times = []
        for _ in range(7):
            begun = time.perf_counter()
            store = FileStore(place, 10**11, tier="disk", clock=SystemClock(), telemetry=Quiet())
            times.append(time.perf_counter() - begun)
            await store.close()
        print(f"disk  open with {count:8d} entries {sorted(times)[3] * 1000:6.1f} ms")


def zipf(keys: int, requests: int) -> None:
    weights = list(accumulate(1 / (rank + 1) ** 0.9 for rank in range(keys)))
    asked = random.Random(3).choices(range(keys), cum_weights=weights, k=requests)
    for part in (0.001, 0.01, 0.1):
        room = max(10, int(keys * part))
        fifo, lru = hits_s3fifo(asked, room), hits_lru(asked, room)
        print(f"zipf  {keys} keys, room for {part:6.1%}: S3-FIFO {fifo:6.1%}   LRU {lru:6.1%}")


def forget(*_: object) -> None:
    """Evicted entries are of no interest."""


def hits_s3fifo(asked: list[int], room: int) -> float:
    cache: S3Fifo[bool] = S3Fifo(room, forget)
    hits = 0
    for number in asked:
        key = str(number)
        if cache.get(key):
            hits += 1
        else:
            cache.put(key, True, 1)
    return hits / len(asked)


def hits_lru(asked: list[int], room: int) -> float:
    held: dict[int, None] = {}
    hits = 0
    for number in asked:
        if number in held:
            hits += 1
            del held[number]
        elif len(held) >= room:
            del held[next(iter(held))]
        held[number] = None
    return hits / len(asked)


def main() -> None:
    quick = "--quick" in sys.argv
    folder = Path(tempfile.mkdtemp(prefix="cache-bench-"))
    try:
        ram(500 if quick else 5000)
        asyncio.run(disk(500 if quick else 5000, folder / "store"))
        asyncio.run(opening((10, 1000) if quick else (10, 1000, 30_000), folder))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    zipf(*((20_000, 100_000) if quick else (1_000_000, 2_000_000)))


if __name__ == "__main__":
    main()

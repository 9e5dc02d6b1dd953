"""Results in memory."""

from __future__ import annotations

import contextlib
import random
from collections.abc import AsyncIterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.cache.conformance import Conformance
from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tintype.cache.ram import RamCache
from tintype.cache.s3fifo import S3Fifo
from tintype.cache.tier import Tier, weight_of
from tintype.core.entry import Scope


class TestRam(Conformance):
    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> AsyncIterator[Tier]:
        yield RamCache(64_000_000, telemetry=seen)


async def test_stays_within_its_bytes_and_says_what_it_holds() -> None:
    seen = Seen()
    cache = RamCache(1_000_000, telemetry=seen)
    for number in range(500):
        await cache.put(f"k{number}", make_entry(bytes(1000 + number * 30), source=f"s{number}", tags=(f"t{number}",)))
        assert cache.used_bytes <= 1_000_000
    held = [number for number in range(500) if await cache.get(f"k{number}")]
    assert 20 < len(held) == len(cache)
    assert cache.used_bytes == sum(
        weight_of(make_entry(bytes(1000 + n * 30), source=f"s{n}", tags=(f"t{n}",))) for n in held
    )
    assert seen.value("cache_bytes", "ram") == cache.used_bytes
    assert seen.value("cache_entries", "ram") == len(held)
    assert seen.value("cache_evictions", "ram") == 500 - len(held)


async def test_what_was_evicted_is_not_in_its_indexes_either() -> None:
    cache = RamCache(200_000, telemetry=Seen())
    for number in range(300):
        await cache.put(f"k{number}", make_entry(bytes(5000), source=f"s{number}", tags=("all",)))
    held = len(cache)
    assert held < 40
    assert await cache.drop(select(Scope.TAG, "all")) == held
    assert await cache.drop(ALL) == 0


async def test_without_room_it_keeps_nothing() -> None:
    cache = RamCache(0, telemetry=Seen())
    await cache.put("key", make_entry())
    assert await cache.get("key") is None


async def test_an_entry_too_large_for_memory_takes_its_older_self_with_it() -> None:
    cache = RamCache(1_000_000, telemetry=Seen())
    await cache.put("key", make_entry(b"small"))
    await cache.put("key", make_entry(bytes(900_000)))
    assert await cache.get("key") is None
    assert cache.used_bytes == 0


def test_a_scan_does_not_push_out_what_is_used() -> None:
    cache: S3Fifo[int] = S3Fifo(1000, lambda key, value: None)
    for turn in range(4):
        for key in range(50):
            if cache.get(f"hot{key}") is None:
                cache.put(f"hot{key}", turn, 10)
    for key in range(5000):
        cache.put(f"once{key}", key, 10)
    assert sum(cache.get(f"hot{key}") is not None for key in range(50)) == 50


def test_a_name_that_comes_back_soon_is_let_in_for_longer() -> None:
    cache: S3Fifo[int] = S3Fifo(100, lambda key, value: None)
    for key in range(12):
        cache.put(f"k{key}", key, 10)
    assert cache.peek("k0") is None
    cache.put("k0", 0, 10)  # a ghost: goes to the main queue
    for key in range(12, 18):
        cache.put(f"k{key}", key, 10)
    assert cache.peek("k0") == 0


@given(st.lists(st.tuples(st.sampled_from("gpx"), st.integers(0, 30), st.integers(1, 40))), st.integers(0, 400))
def test_never_over_its_weight_and_never_wrong(moves: list[tuple[str, int, int]], room: int) -> None:
    model: dict[str, int] = {}
    gone: list[str] = []

    def evicted(key: str, value: int) -> None:
        assert model.pop(key) == value
        gone.append(key)

    cache: S3Fifo[int] = S3Fifo(room, evicted)
    weights: dict[str, int] = {}
    for value, (move, number, weight) in enumerate(moves):
        key = str(number)
        if move == "g":
            assert cache.get(key) == model.get(key)
        elif move == "x":
            cache.pop(key)
            model.pop(key, None)
        else:
            model.pop(key, None)
            if cache.put(key, value, weight):
                model[key], weights[key] = value, weight
            else:
                assert weight > room // 8
        assert set(cache) == set(model)
        assert cache.weight == sum(weights[key] for key in model) <= room


def test_better_than_lru_on_a_zipf_load() -> None:
    rng = random.Random(7)
    ranks = rng.choices(range(20_000), weights=[1 / (rank + 1) ** 0.9 for rank in range(20_000)], k=60_000)
    cache: S3Fifo[int] = S3Fifo(1000, lambda key, value: None)
    lru: dict[int, None] = {}
    hits = lru_hits = 0
    for rank in ranks:
        if cache.get(str(rank)) is None:
            cache.put(str(rank), rank, 1)
        else:
            hits += 1
        lru_hits += rank in lru
        lru.pop(rank, None)
        lru[rank] = None
        if len(lru) > 1000:
            del lru[next(iter(lru))]
    assert hits > lru_hits * 1.1

"""Results on disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from tests.cache.conformance import Conformance
from tests.cache.support import Seen, TickingClock, make_entry
from tintype.cache.behind import Behind
from tintype.cache.disk import DiskCache
from tintype.cache.tier import Tier
from tintype.core.purges import Purges
from tintype.kit.filestore import FileStore, Put


def disk(folder: Path, clock: TickingClock, seen: Seen, max_bytes: int = 64_000_000) -> DiskCache:
    store = FileStore(folder, max_bytes, tier="disk", clock=clock, telemetry=seen)
    return DiskCache(store, telemetry=seen)


class TestDisk(Conformance):
    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> AsyncIterator[Tier]:
        cache = disk(folder, clock, seen)
        yield cache
        await cache.close()


async def test_is_warm_after_a_restart(tmp_path: Path) -> None:
    entries = {f"k{number}": make_entry(bytes(1000 * number), tags=("t",)) for number in range(20)}
    first = disk(tmp_path, TickingClock(), Seen())
    for key, entry in entries.items():
        await first.put(key, entry)
    await first.close()
    second = disk(tmp_path, TickingClock(), Seen())
    assert {key: await second.get(key) for key in entries} == entries
    await second.close()


async def test_what_waits_together_is_written_together(tmp_path: Path) -> None:
    cache = disk(tmp_path, TickingClock(), Seen())
    writes: list[int] = []
    put_all = cache._store.put_all

    async def counted(puts: Sequence[Put]) -> list[bool]:
        writes.append(len(puts))
        return await put_all(puts)

    cache._store.put_all = counted  # type: ignore[method-assign]
    behind = Behind(cache, purges=Purges(), telemetry=Seen(), workers=1, together=8, later_s=3600.0)
    entries = {f"k{number}": make_entry(bytes(100 + number)) for number in range(20)}
    for key, entry in entries.items():
        behind.put(key, entry, 0)
    await behind.written("k19")
    assert {key: await cache.get(key) for key in entries} == entries
    assert writes == [8, 8, 4]
    await cache.close()


async def test_facts_it_cannot_read_are_a_miss_and_go(tmp_path: Path) -> None:
    seen = Seen()
    store = FileStore(tmp_path, 64_000_000, tier="disk", clock=TickingClock(), telemetry=seen)
    await store.put("key", b"body", meta=b"\xc1 of another version")
    cache = DiskCache(store, telemetry=seen)
    assert await cache.get("key") is None
    assert seen.named("cache_entry_unreadable")
    assert store.count() == 0
    await cache.close()
    assert sqlite3.connect(tmp_path / "index").execute("SELECT count(*) FROM entry").fetchone() == (0,)

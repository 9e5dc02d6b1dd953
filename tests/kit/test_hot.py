"""Files read again without index, thread or disk: never anything but what was put."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cache.support import ALL, Seen, TickingClock, select
from tests.kit.test_filestore import file_of
from tintype.core.entry import Scope
from tintype.kit import hot
from tintype.kit.filestore import FileStore

pytestmark = pytest.mark.skipif(not hasattr(os, "RWF_NOWAIT"), reason="this system cannot tell what is in memory")

BODY = b"some body " * 100


@pytest.fixture
async def store(tmp_path: Path) -> FileStore:
    return FileStore(tmp_path / "store", 64_000_000, tier="disk", clock=TickingClock(), telemetry=Seen())


async def read_once(store: FileStore, key: str = "k", body: bytes = BODY) -> None:
    await store.put(key, body, meta=b"facts")
    assert await store.get(key) is not None
    found = store.glance(key)
    if found is None:
        pytest.skip("this file system cannot tell what is in memory")
    assert (found.body, found.meta) == (body, b"facts")


async def test_what_was_got_is_at_hand_and_what_was_not_is_not(store: FileStore) -> None:
    await store.put("k", BODY, meta=b"facts")
    assert store.glance("k") is None
    await read_once(store)
    assert store.glance("other") is None
    assert (await asyncio.to_thread(store.glance, "k")) is not None
    await store.close()
    assert store.glance("k") is None


@pytest.mark.parametrize(
    "harm",
    [
        lambda path: path.write_bytes(b"x" + BODY[1:]),
        lambda path: path.write_bytes(BODY + b"x"),
        lambda path: path.write_bytes(BODY[:-1]),
        lambda path: path.write_bytes(b""),
        lambda path: path.unlink(),
    ],
)
async def test_a_damaged_file_is_never_handed_out(
    store: FileStore, tmp_path: Path, harm: Callable[[Path], object]
) -> None:
    await read_once(store)
    harm(file_of(tmp_path / "store", "k"))
    assert store.glance("k") is None
    assert await store.get("k") is None
    assert store.glance("k") is None
    await store.close()


async def test_a_turned_bit_is_found_within_a_minute_and_any_write_at_once(tmp_path: Path) -> None:
    clock = TickingClock()
    store = FileStore(tmp_path / "store", 64_000_000, tier="disk", clock=clock, telemetry=Seen())
    await read_once(store)
    file = file_of(tmp_path / "store", "k")
    times = file.stat()
    clock.ahead_s = 5
    assert store.glance("k") is not None
    file.write_bytes(BODY[:-1] + b"x")
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))  # one that hides that it wrote
    assert store.glance("k") is None
    await store.close()


async def test_a_file_is_hashed_again_after_a_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = TickingClock()
    store = FileStore(tmp_path / "store", 64_000_000, tier="disk", clock=clock, telemetry=Seen())
    await read_once(store)
    clock.ahead_s = 5
    assert store.glance("k") is not None
    real = hot._in_memory

    def turned(path: str, size: int) -> tuple[tuple[int, int, int, int], bytes | None]:
        stamp, body = real(path, size)  # what a disk does by itself changes no time
        return stamp, body and body[:-1] + b"x"

    monkeypatch.setattr(hot, "_in_memory", turned)
    assert store.glance("k") is not None
    clock.ahead_s = 70
    assert store.glance("k") is None
    await store.close()


async def test_another_file_under_the_same_number_does_not_pass(store: FileStore, tmp_path: Path) -> None:
    await read_once(store)
    await store.put("l", BODY.upper(), meta=b"facts")
    file_of(tmp_path / "store", "l").replace(file_of(tmp_path / "store", "k"))
    assert store.glance("k") is None
    await store.close()


@pytest.mark.parametrize("selector", [ALL, select(Scope.KEY, "k")])
async def test_what_was_dropped_is_gone_when_drop_returns(store: FileStore, selector: object) -> None:
    await read_once(store)
    await store.drop(selector)  # type: ignore[arg-type]
    assert store.glance("k") is None
    await store.close()


async def test_a_new_body_under_a_key_replaces_the_old(store: FileStore) -> None:
    await read_once(store)
    await store.put("k", b"new", meta=b"facts")
    assert store.glance("k") is None
    found = await store.get("k")
    assert found is not None
    assert found.body == b"new"
    await store.close()


async def test_long_files_are_left_to_a_thread(store: FileStore) -> None:
    await store.put("k", bytes(300_000))
    assert await store.get("k") is not None
    assert store.glance("k") is None
    await store.close()

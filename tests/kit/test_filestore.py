"""The bounded file store: what it keeps, what it survives, what it notices, what it refuses."""

from __future__ import annotations

import asyncio
import gc
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cache.support import ALL, Seen, TickingClock, select
from tests.conftest import ROOT, missing
from tests.kit.kills import used_bytes
from tintype.core.entry import Scope, Selector
from tintype.core.errors import Misconfigured
from tintype.kit.filestore import FileStore, Put
from tintype.kit.stored import Stored

Opener = Callable[..., FileStore]


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
async def open_store(tmp_path: Path, seen: Seen) -> AsyncIterator[Opener]:
    opened: list[FileStore] = []

    def opener(max_bytes: int = 64_000_000, folder: str = "store", clock: TickingClock | None = None) -> FileStore:
        where = tmp_path / folder
        store = FileStore(where, max_bytes, tier="disk", clock=clock or TickingClock(), telemetry=seen, lock_wait_s=0.2)
        opened.append(store)
        return store

    yield opener
    for store in opened:
        await store.close()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not condition():  # noqa: ASYNC110 what is waited for happens in a thread of the store
            await asyncio.sleep(0.01)


def temporary(store: FileStore) -> Path:
    return Path(store.temporary())


def file_of(folder: Path, key: str) -> Path:
    with sqlite3.connect(folder / "index") as db:
        (number,) = db.execute("SELECT id FROM entry WHERE key = ?", (key.encode(),)).fetchone()
    db.close()
    return next(path for path in (folder / "files").rglob("*") if path.is_file() and int(path.name, 16) == number)


def files_in(folder: Path) -> list[Path]:
    """What is there, whatever goes away meanwhile: `rglob` fails when a folder does."""
    found = (Path(where) / name for where, _, names in os.walk(folder) for name in names)
    return [path for path in found if path.parent != folder]


# Keeping


async def test_of_several_at_once_each_is_kept_for_itself(open_store: Opener, tmp_path: Path) -> None:
    store = open_store(max_bytes=1_000_000)
    path = temporary(store)
    path.write_bytes(b"moved in")
    gone, large = tmp_path / "not-there", bytes(300_000)
    puts = [
        Put("one", b"1"),
        Put("gone", str(gone)),
        Put("two", str(path), meta=b"m", tags=("t",)),
        Put("large", large),
    ]
    assert await store.put_all(puts) == [True, False, True, False]
    assert [await store.get(put.key) for put in puts] == [Stored(b"", b"1"), None, Stored(b"m", b"moved in"), None]
    assert not path.exists()
    assert await store.drop(Selector(scope=Scope.TAG, value="t")) == 1
    await store.close()
    assert await store.put_all(puts[:2]) == [False, False]


async def test_several_at_once_are_kept_together_in_place_of_older_ones(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    assert await store.put("a", b"old", tags=("old",))
    path = temporary(store)
    path.write_bytes(b"moved in")
    puts = [Put("a", b"new"), Put("b", b"2", tags=("x", "y")), Put("c", str(path), size=8)]
    assert await store.put_all(puts) == [True, True, True]
    assert [await store.get(key) for key in "abc"] == [Stored(b"", body) for body in (b"new", b"2", b"moved in")]
    assert store.count() == len(files_in(tmp_path / "store" / "files")) == 3
    tags = [Selector(scope=Scope.TAG, value=tag) for tag in ("old", "y")]
    assert [await store.drop(tag) for tag in tags] == [0, 1]


async def test_of_two_at_once_by_one_key_the_last_stays(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    assert await store.put_all([Put("other", b"0"), Put("key", b"1"), Put("key", b"2")]) == [True, True, True]
    assert await store.get("key") == Stored(b"", b"2")
    assert store.count() == len(files_in(tmp_path / "store" / "files")) == 2


async def test_moves_a_file_in_and_opens_it(open_store: Opener) -> None:
    store = open_store()
    path = temporary(store)
    path.write_bytes(b"source" * 1000)
    assert await store.put("key", str(path), meta=b"facts")
    assert not path.exists()
    file = await store.open("key")
    assert file is not None
    with file:
        assert (file.size, file.meta) == (6000, b"facts")
        assert os.read(file.fd(), 10_000) == b"source" * 1000
    again = await store.get("key")
    assert again is not None
    assert again.body == b"source" * 1000


@pytest.mark.parametrize("reader", ["get", "open"])
async def test_a_hash_that_is_known_is_taken_and_checked(open_store: Opener, seen: Seen, reader: str) -> None:
    store = open_store()
    path = temporary(store)
    path.write_bytes(b"source" * 1000)
    assert await store.put("file", str(path), sha256=hashlib.sha256(b"source" * 1000).digest())
    assert await store.put("bytes", b"body", sha256=hashlib.sha256(b"body").digest())
    assert await store.put("wrong", b"body", sha256=hashlib.sha256(b"nobody").digest())
    for key in ("file", "bytes"):
        assert await getattr(store, reader)(key) is not None
    assert seen.value("cache_damaged", "disk") == 0
    assert await getattr(store, reader)("wrong") is None
    assert seen.value("cache_damaged", "disk") == 1


async def test_an_open_file_outlives_its_entry(open_store: Opener) -> None:
    store = open_store()
    await store.put("key", b"source")
    file = await store.open("key")
    assert file is not None
    assert await store.drop(ALL) == 1
    assert os.read(file.fd(), 100) == b"source"
    file.close()
    file.close()
    assert await store.open("key") is None


async def test_room_is_made_for_what_is_in_temporary_files(open_store: Opener, tmp_path: Path) -> None:
    store = open_store(4_000_000)
    for number in range(80):
        await store.put(f"k{number}", bytes(40_000))
    before = store.count()
    store.account(2_000_000)
    await until(lambda: store.used_bytes() <= 4_000_000)
    assert used_bytes(tmp_path / "store") + 2_000_000 <= 4_000_000
    assert 0 < store.count() < before
    store.account(-2_000_000)
    assert await store.put("another", bytes(40_000))


async def test_an_open_file_that_nobody_closes_is_closed_with_its_object(open_store: Opener) -> None:
    store = open_store()
    await store.put("key", b"source")
    file = await store.open("key")
    assert file is not None
    fd = file.fd()
    del file
    await asyncio.sleep(0)  # the step that was woken with the file still has it
    gc.collect()
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


async def test_everything_is_there_after_a_restart(open_store: Opener) -> None:
    store = open_store()
    for number in range(50):
        await store.put(f"k{number}", b"%d" % number * 999, meta=b"m%d" % number, tags=("t",))
    held = store.used_bytes()
    await store.close()
    again = open_store()
    assert again.count() == 50
    assert abs(again.used_bytes() - held) < 200_000  # the write-ahead log went at the close
    for number in range(50):
        found = await again.get(f"k{number}")
        assert found is not None
        assert (found.body, found.meta) == (b"%d" % number * 999, b"m%d" % number)
    assert await again.drop(select(Scope.TAG, "t")) == 50


async def test_what_is_missing_is_known_to_be_missing(open_store: Opener, seen: Seen) -> None:
    store = open_store()
    for number in range(30):
        await store.put(f"k{number}", b"body")
    await store.close()
    again = open_store()
    await until(lambda: not again._known.may(b"nothing"))
    assert await again.get("nothing") is None
    assert await again.open("nothing") is None
    assert seen.value("cache_misses", "disk") == 2
    await again.put("new", b"body")
    assert all([await again.get(f"k{number}") for number in range(30)])
    assert await again.get("new") is not None


async def test_a_closed_store_finds_and_keeps_nothing(open_store: Opener) -> None:
    store = open_store()
    await store.put("key", b"body")
    await store.close()
    assert await store.get("key") is None
    assert not await store.put("key", b"body")
    assert await store.drop(ALL) == 0


async def test_readers_see_one_of_the_bodies_while_a_key_is_replaced(open_store: Opener, seen: Seen) -> None:
    store = open_store()
    bodies = [bytes([number]) * 5000 for number in range(20)]
    await store.put("key", bodies[0])

    async def read() -> int:
        found = [await store.get("key") for _ in range(40)]
        assert {stored.body for stored in found if stored} <= set(bodies)
        return sum(stored is not None for stored in found)

    async def write() -> None:
        for body in bodies:
            await store.put("key", body)

    reads = await asyncio.gather(read(), read(), write())
    assert reads[0] > 0
    assert seen.value("cache_damaged", "disk") == 0
    assert store.count() == 1


# Bounds


async def test_stays_within_its_bytes_and_uses_them(open_store: Opener, tmp_path: Path, seen: Seen) -> None:
    store = open_store(5_000_000)
    most = 0
    for number in range(800):
        size = (10, 700, 5_000, 20_000, 90_000)[number % 5]
        assert await store.put(f"k{number}", os.urandom(size), source="s" * 200, tags=("a", f"t{number}"))
        if number % 50 == 0:
            most = max(most, used_bytes(tmp_path / "store"))
            assert most <= 5_000_000
    assert most > 4_650_000
    assert seen.value("cache_entries", "disk") == store.count()
    assert seen.value("cache_evictions", "disk") == 800 - store.count()
    assert seen.value("cache_bytes", "disk") == store.used_bytes()


async def test_what_was_used_last_is_evicted_last(open_store: Opener) -> None:
    clock = TickingClock()
    store = open_store(2_000_000, clock=clock)
    for number in range(300):
        clock.ahead_s += 10
        await store.put(f"k{number}", bytes(20_000))
        assert await store.get("k0") is not None, f"evicted after {number} puts, though always in use"
    held = [number for number in range(300) if await store.get(f"k{number}") is not None]
    assert held == [0, *range(300 - len(held) + 1, 300)]


async def test_a_file_that_is_too_large_is_refused_and_stays_with_its_owner(open_store: Opener, seen: Seen) -> None:
    store = open_store(4_000_000)
    await store.put("small", b"body")
    path = temporary(store)
    path.write_bytes(bytes(1_500_000))
    assert not await store.put("large", str(path))
    assert path.stat().st_size == 1_500_000
    assert await store.get("small") is not None
    assert seen.named("cache_put_refused")
    path.unlink()


async def test_bytes_that_a_caller_writes_count(open_store: Opener) -> None:
    store = open_store(4_000_000)
    for number in range(300):
        await store.put(f"k{number}", bytes(10_000))
    before = store.count()
    store.account(2_000_000)
    await store.put("next", bytes(10_000))
    assert store.count() < before * 0.55
    store.account(-2_000_000)
    assert store.used_bytes() < 2_100_000


async def test_a_smaller_bound_after_a_restart_is_kept(open_store: Opener, tmp_path: Path) -> None:
    store = open_store(8_000_000)
    for number in range(400):
        await store.put(f"k{number}", bytes(15_000), source="s" * 300)
    await store.close()
    smaller = open_store(3_000_000)
    for number in range(20):
        assert await smaller.put(f"n{number}", bytes(15_000))
    assert used_bytes(tmp_path / "store") <= 3_000_000
    assert smaller.count() > 80


async def test_the_index_gives_back_what_it_no_longer_needs(open_store: Opener, tmp_path: Path) -> None:
    store = open_store(10_000_000)
    for number in range(1000):
        await store.put(f"k{number}", b"", meta=bytes(4000))
    large = (tmp_path / "store" / "index").stat().st_size
    for number in range(20):
        await store.put(f"large{number}", bytes(1_000_000))
    await store.close()
    assert (tmp_path / "store" / "index").stat().st_size < large / 2


# Damage


def _flip(path: Path) -> None:
    body = bytearray(path.read_bytes())
    body[len(body) // 2] ^= 1
    path.write_bytes(body)


def _truncate(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 1)


def _grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"x")


def _delete(path: Path) -> None:
    path.unlink()


def _swap(path: Path) -> None:
    other = next(file for file in files_in(path.parent.parent) if file != path)
    shutil.copyfile(other, path)


@pytest.mark.parametrize("damage", [_flip, _truncate, _grow, _delete, _swap])
@pytest.mark.parametrize("reader", ["get", "open"])
async def test_a_damaged_file_is_never_given_out(
    open_store: Opener, tmp_path: Path, seen: Seen, damage: Callable[[Path], object], reader: str
) -> None:
    store = open_store()
    await store.put("key", b"the right body, which is 38 bytes long")
    await store.put("other", b"another one of the very same length 38")
    damage(file_of(tmp_path / "store", "key"))
    assert await getattr(store, reader)("key") is None
    assert seen.value("cache_damaged", "disk") == 1
    assert store.count() == 1
    assert len(files_in(tmp_path / "store" / "files")) == 1
    assert await store.put("key", b"rendered again")
    found = await store.get("key")
    assert found is not None
    assert found.body == b"rendered again"


@pytest.mark.parametrize("column", ["meta", "checksum", "size"])
async def test_a_damaged_row_is_never_believed(open_store: Opener, tmp_path: Path, seen: Seen, column: str) -> None:
    store = open_store()
    await store.put("key", b"body", meta=b"facts")
    await store.close()
    with sqlite3.connect(tmp_path / "store" / "index") as db:
        db.execute(f"UPDATE entry SET {column} = {7 if column == 'size' else chr(39) + 'x' + chr(39)}")
    db.close()
    again = open_store()
    assert await again.get("key") is None
    assert seen.value("cache_damaged", "disk") == 1


async def test_a_row_that_is_gone_is_a_miss(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    await store.put("key", b"body")
    await store.close()
    with sqlite3.connect(tmp_path / "store" / "index") as db:
        db.execute("DELETE FROM entry")
    db.close()
    assert await open_store().get("key") is None


@pytest.mark.parametrize("damage", ["noise", "empty", "gone", "version", "older", "half"])
async def test_an_index_that_is_lost_costs_the_entries_and_nothing_else(
    open_store: Opener, tmp_path: Path, seen: Seen, damage: str
) -> None:
    folder = tmp_path / "store"
    store = open_store(10_000_000)
    for number in range(200):
        await store.put(f"k{number}", bytes(20_000))
    await store.close()
    _damage_index(folder / "index", damage)
    again = open_store(10_000_000)
    await again.get("k7")
    await until(lambda: again.used_bytes() < 5_000_000)  # until then the old files count, and nothing is kept
    assert not list((folder / "temp").iterdir())
    assert len(files_in(folder / "files")) == again.count() == 0
    assert await again.put("new", b"body")
    assert await again.get("new") is not None
    assert used_bytes(folder) < 10_000_000
    assert seen.value("cache_damaged", "disk") == 0


def _damage_index(path: Path, how: str) -> None:
    match how:
        case "noise":
            path.write_bytes(os.urandom(50_000))
        case "empty":
            path.write_bytes(b"")
        case "gone":
            path.unlink()
        case "version" | "older":
            with sqlite3.connect(path) as db:
                db.execute(f"PRAGMA user_version = {99 if how == 'version' else 1}")
            db.close()
        case "half":
            path.write_bytes(path.read_bytes()[:20_000] + bytes(200_000))


async def test_an_index_that_breaks_under_way_is_replaced(open_store: Opener, tmp_path: Path, seen: Seen) -> None:
    store = open_store()
    for number in range(300):
        await store.put(f"k{number}", b"body", meta=bytes(500))
    await store.close()
    path = tmp_path / "store" / "index"
    head = path.read_bytes()[:4096]  # the schema is whole, so it opens; the tables are noise
    path.write_bytes(head + os.urandom(path.stat().st_size - 4096))
    again = open_store()
    for number in range(30):
        assert await again.get(f"k{number}") is None
        await again.put(f"n{number}", b"new")
    await until(lambda: not list((tmp_path / "store" / "temp").iterdir()))
    await until(lambda: again.used_bytes() < 60_000_000)
    assert await again.put("last", b"new")
    found = await again.get("last")
    assert found is not None
    assert found.body == b"new"


# Kills, full disks, two owners


def test_survives_being_killed_at_any_moment(tmp_path: Path) -> None:
    rounds = os.environ.get("TINTYPE_KILLS", "100")
    command = [sys.executable, "-m", "tests.kit.kills", str(tmp_path / "store"), "8000000", rounds, "1"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["most"] <= 8_000_000 * 1.02


_LISTINGS = """
import json, sys
from pathlib import Path
from tests.cache.support import Seen, TickingClock
from tintype.kit.filestore import FileStore
looked = []
events = ("os.listdir", "os.scandir", "open", "glob.glob", "pathlib.Path.rglob")
sys.addaudithook(lambda name, args: looked.append((name, str(args[0]))) if name in events else None)
clock, seen = TickingClock(), Seen()
del looked[:]
store = FileStore(Path(sys.argv[1]), 64_000_000, tier="disk", clock=clock, telemetry=seen)
print(json.dumps([place for name, place in looked if "files" in place]))
"""


async def test_a_start_does_not_look_through_the_files(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    for number in range(300):
        await store.put(f"k{number}", b"body")
    await store.close()
    command = [sys.executable, "-c", _LISTINGS, str(tmp_path / "store")]
    done = await asyncio.to_thread(
        subprocess.run, command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert json.loads(done.stdout) == []


_FULL = """
import asyncio, json, os, resource, sys
from pathlib import Path
from tests.cache.support import Seen, TickingClock
from tintype.kit.filestore import FileStore

async def main(folder, limit):
    seen = Seen()
    store = FileStore(Path(folder), 500_000_000, tier="disk", clock=TickingClock(), telemetry=seen)
    await store.put("before", b"small")
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    kept = [await store.put(f"k{n}", os.urandom(300_000)) for n in range(40)]
    small = [await store.put(f"s{n}", bytes(100)) for n in range(5)]
    right = [await store.get(f"k{n}") is not None for n in range(40)]
    before = await store.get("before")
    left = [path.name for path in (Path(folder) / "temp").iterdir()]
    await store.close()
    print(json.dumps({"kept": kept, "right": right, "small": small, "before": before is not None, "left": left,
                      "errors": seen.value("cache_errors", "disk"), "events": len(seen.named("cache_failed"))}))

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


def _full(command: list[str]) -> dict[str, Any]:
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_file_that_cannot_be_written_is_an_event(tmp_path: Path) -> None:
    found = _full([sys.executable, "-c", _FULL, str(tmp_path / "store"), "200000"])
    assert found == {
        "kept": [False] * 40,
        "right": [False] * 40,
        "small": [True] * 5,
        "before": True,
        "left": [],
        "errors": 40,
        "events": found["events"],
    }
    assert 1 <= found["events"] < 40


def test_a_full_disk_is_an_event(tmp_path: Path) -> None:
    mount = f"mount -t tmpfs -o size=4m tmpfs {tmp_path}"
    if subprocess.run(["unshare", "-Urm", "sh", "-c", mount], capture_output=True, check=False).returncode:
        missing("a user namespace with a tmpfs", "run on Linux with unprivileged user namespaces")
    inner = f'{mount} && exec "$0" "$@"'
    command = ["unshare", "-Urm", "sh", "-c", inner, sys.executable, "-c", _FULL, str(tmp_path / "store"), "0"]
    found = _full(command)
    assert 5 < sum(found["kept"]) < 14
    assert found["before"]
    assert found["right"] == found["kept"]
    assert found["left"] == []
    assert found["events"]


async def test_a_second_process_is_told_to_use_its_own_folder(open_store: Opener, tmp_path: Path) -> None:
    store = open_store()
    code = (
        "import sys; from pathlib import Path; from tests.cache.support import *\n"
        "from tintype.kit.filestore import FileStore\n"
        "FileStore(Path(sys.argv[1]), 10**7, tier='disk', clock=TickingClock(), telemetry=Seen(), lock_wait_s=0.1)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "store")]
    refused = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "in use by another process; stop it, or give this one a folder of its own" in refused.stderr
    await store.close()
    await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, check=True)


async def test_a_folder_that_cannot_be_one_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(Misconfigured, match="file"):
        FileStore(tmp_path / "file", 10**7, tier="disk", clock=TickingClock(), telemetry=Seen())


# Dropping


async def test_dropping_everything_is_quick_to_hold_and_gives_the_room_back(open_store: Opener, tmp_path: Path) -> None:
    store = open_store(8_000_000)
    for number in range(250):
        await store.put(f"k{number}", bytes(25_000), tags=("t",))
    held = store.count()
    assert await store.drop(ALL) == held > 200
    assert store.count() == 0
    assert await store.get("k249") is None
    await until(lambda: not files_in(tmp_path / "store"))
    await until(lambda: store.used_bytes() < 1_000_000)
    for number in range(250):
        assert await store.put(f"k{number}", bytes(25_000), tags=("t",))
    assert used_bytes(tmp_path / "store") <= 8_000_000


async def test_a_purge_of_many_lets_others_through(open_store: Opener) -> None:
    store = open_store()
    for number in range(1000):
        await store.put(f"k{number}", b"x", source=f"https://x/{number}")
    purge = asyncio.create_task(store.drop(select(Scope.PREFIX, "https://x/")))
    while not purge.done():
        await store.put("new", b"body", source="https://y/")
        assert await store.get("new") is not None
    assert await purge == 1000
    assert store.count() == 1

"""What was asked for lately is answered from memory, and never after it was purged, softened, replaced or damaged."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from tests.sources.conftest import Desk
from tests.sources.test_sources import until
from tintype.core.binding import Binding
from tintype.core.entry import Scope, Selector
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Rung
from tintype.sources.bindings import Bindings
from tintype.sources.mezzanines import Mezzanines

INFO = ImageInfo(format=Format.JPEG, width=640, height=480)
RUNG = Rung(side=1024, format=Format.JPEG, quality=92)
BODY = b"\xff\xd8 a rung" * 1000
OF = Binding(
    tenant="t", url="http://o/a.jpg", digest="d" * 64, size=5, fetched_at=1.0, fresh_until=9e9, error_until=9.5e9
)


@pytest.fixture
async def kept(tmp_path: Path, desk: Desk) -> AsyncIterator[Bindings]:
    bindings = Bindings(tmp_path / "lately.sqlite", 1000, desk.telemetry)
    bindings.put(OF)
    bindings._write()
    await _written(bindings)
    yield bindings
    await bindings.close()


async def _written(bindings: Bindings) -> None:
    await until(lambda: not bindings._writing and not bindings._waiting)


def _emptied(tmp_path: Path) -> None:
    """Take the rows away behind the table's back: who still finds one has it in memory."""
    with sqlite3.connect(tmp_path / "lately.sqlite") as db:
        db.execute("DELETE FROM binding")
    db.close()


# Bindings


async def test_a_binding_is_read_once_and_then_known(kept: Bindings, tmp_path: Path) -> None:
    assert await kept.get(OF.key) == OF
    _emptied(tmp_path)
    assert await kept.get(OF.key) == OF


async def test_a_purge_empties_memory_too(kept: Bindings) -> None:
    for selector in (
        Selector(scope=Scope.KEY, value=OF.key),
        Selector(scope=Scope.SOURCE, value=OF.url),
        Selector(scope=Scope.PREFIX, value="http://o/"),
        Selector(scope=Scope.ALL, value=""),
    ):
        kept.put(OF)
        kept._write()
        await _written(kept)
        assert await kept.get(OF.key) == OF
        assert await kept.drop(selector) == 1
        assert await kept.get(OF.key) is None, selector


async def test_a_soft_purge_is_seen_by_the_next_reader(kept: Bindings) -> None:
    assert await kept.get(OF.key) == OF
    await kept.soften(Selector(scope=Scope.SOURCE, value=OF.url), 100.0, 60.0)
    found = await kept.get(OF.key)
    assert found is not None
    assert (found.fetched_at, found.fresh_until, found.stale_until) == (0.0, 100.0, 160.0)


async def test_what_is_learnt_or_put_later_is_what_is_found(kept: Bindings) -> None:
    assert await kept.get(OF.key) == OF
    await kept.learn(OF.key, OF.digest, INFO)
    assert await kept.get(OF.key) == replace(OF, info=INFO)
    newer = replace(OF, digest="e" * 64)
    kept.put(newer)
    assert await kept.get(OF.key) == newer
    kept._write()
    await _written(kept)
    assert await kept.get(OF.key) == newer


async def test_a_read_that_a_purge_overtakes_is_not_remembered(kept: Bindings) -> None:
    reading = asyncio.ensure_future(kept.get(OF.key))
    await asyncio.sleep(0)
    await kept.drop(Selector(scope=Scope.ALL, value=""))
    await reading  # before the purge or after it, as the threads have it
    assert await kept.get(OF.key) is None


# Rungs


@pytest.fixture
async def rungs(desk: Desk) -> Mezzanines:
    await desk.sources.mezzanines.put(OF, RUNG, BODY, generation=0)
    return desk.sources.mezzanines


async def _read(rungs: Mezzanines) -> bytes | None:
    found = await rungs.open(OF, RUNG)
    if found is None:
        return None
    with found:
        return os.pread(found.fd(), found.size + 1, 0)


def _open_files() -> set[tuple[int, int]]:
    found = [os.fstat(int(fd.name)) for fd in Path("/proc/self/fd").iterdir() if fd.exists()]
    return {(facts.st_ino, facts.st_dev) for facts in found}


def _bodies(tmp_path: Path) -> list[Path]:
    folder = tmp_path / "sources" / "bodies"
    return [file for file in folder.rglob("*") if file.is_file() and file.stat().st_size == len(BODY)]


async def test_a_rung_that_was_read_lately_is_still_open(rungs: Mezzanines, tmp_path: Path) -> None:
    assert await _read(rungs) == BODY
    (file,) = _bodies(tmp_path)
    file.unlink()
    assert [await _read(rungs) for _ in range(3)] == [BODY] * 3


async def test_after_a_while_the_store_is_asked_again(rungs: Mezzanines, desk: Desk, tmp_path: Path) -> None:
    assert await _read(rungs) == BODY
    (file,) = _bodies(tmp_path)
    file.unlink()
    desk.clock.ahead_s = 11
    assert await _read(rungs) is None


@pytest.mark.parametrize("soft", [False, True])
async def test_a_purge_closes_rungs(rungs: Mezzanines, desk: Desk, tmp_path: Path, soft: bool) -> None:
    assert await _read(rungs) == BODY
    (file,) = _bodies(tmp_path)
    before = file.stat()
    await desk.sources.drop(Selector(scope=Scope.SOURCE, value=OF.url), soft=soft)
    assert (before.st_ino, before.st_dev) not in _open_files()
    assert await _read(rungs) == (BODY if soft else None)


async def test_a_rung_that_is_cut_short_meanwhile_is_gone(rungs: Mezzanines, tmp_path: Path) -> None:
    assert await _read(rungs) == BODY
    (file,) = _bodies(tmp_path)
    os.truncate(file, 10)
    assert await _read(rungs) is None


async def test_rungs_held_open_are_few(rungs: Mezzanines) -> None:
    many = [replace(OF, digest=f"{number:064d}") for number in range(200)]
    for binding in many:
        await rungs.put(binding, RUNG, BODY, generation=0)
        with await rungs.open(binding, RUNG) or pytest.fail("a rung is missing"):
            pass
    assert len(rungs._held) == 128

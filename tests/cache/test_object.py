"""Results in an object store that nodes share, and purges that hold on all of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import obstore
import pytest
from obstore.store import MemoryStore, ObjectStore

from tests.cache.conformance import Conformance
from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tintype.cache.object import ObjectCache, ObjectLimits, packed, unpacked
from tintype.cache.purgelog import PurgeLog
from tintype.cache.store import open_store
from tintype.cache.tier import Tier
from tintype.core.entry import Scope, Selector
from tintype.core.errors import Misconfigured, Overloaded

PATIENT = ObjectLimits(get_timeout_s=20, put_timeout_s=20)


def node(
    store: ObjectStore, clock: TickingClock, seen: Seen, *, skew_s: float = 0.0, poll_s: float = 0.05, **limits: Any
) -> tuple[ObjectCache, PurgeLog]:
    log = PurgeLog(store, clock=clock, telemetry=seen, skew_s=skew_s, poll_s=poll_s)
    bounds = ObjectLimits(**limits) if limits else PATIENT
    return ObjectCache(store, purges=log, clock=clock, telemetry=seen, limits=bounds), log


class TestMemory(Conformance):
    counts = False

    def store(self, folder: Path) -> ObjectStore:
        return open_store("memory:///")

    @contextlib.asynccontextmanager
    async def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> AsyncIterator[Tier]:
        cache, _ = node(self.store(folder), clock, seen)
        yield cache
        await cache.close()


class TestFiles(TestMemory):
    def store(self, folder: Path) -> ObjectStore:
        return open_store(f"file://{folder}/shared")


class TestS3(TestMemory):
    @pytest.fixture(autouse=True)
    def _bucket(self, bucket: str) -> None:
        self.bucket, self.examples = bucket, 0

    def store(self, folder: Path) -> ObjectStore:
        self.examples += 1  # each example of the property test has a prefix of its own
        return open_store(f"{self.bucket}/{self.examples}")


@pytest.mark.parametrize("kind", ["memory", "s3"])
@pytest.mark.parametrize(
    ("selector", "gone"),
    [
        (select(Scope.KEY, "k1"), {"k1"}),
        (select(Scope.SOURCE, "s1"), {"k1"}),
        (select(Scope.PREFIX, "s"), {"k1", "k2"}),
        (select(Scope.TAG, "t"), {"k2"}),
        (select(Scope.ALL, tenant="other"), set()),
        (ALL, {"k1", "k2"}),
    ],
)
async def test_a_purge_holds_on_the_other_node(
    kind: str, selector: Selector, gone: set[str], request: pytest.FixtureRequest
) -> None:
    store = MemoryStore() if kind == "memory" else open_store(request.getfixturevalue("bucket"))
    clock, seen = TickingClock(), Seen()
    (here, _), (there, log) = node(store, clock, seen), node(store, clock, seen)
    heard: list[Selector] = []

    async def hear(selector: Selector) -> None:
        heard.append(selector)

    log.listen(hear)
    await here.put("k1", make_entry(b"1", source="s1", at=clock.now()))
    await here.put("k2", make_entry(b"2", source="s2", tags=("t",), at=clock.now()))
    assert await there.get("k1")
    assert await there.get("k2")
    await here.drop(selector)
    async with asyncio.timeout(60):
        while not heard:  # noqa: ASYNC110 the other node polls
            await asyncio.sleep(0.01)
    assert heard == [selector]
    assert seen.registry.get_sample_value("tintype_purge_seconds_count", {}) == 1  # in force at the other node
    left = {key for key in ("k1", "k2") if await there.get(key) is not None}
    assert left == {"k1", "k2"} - gone
    await here.put("k1", make_entry(b"again", source="s1", at=clock.now()))
    assert await there.get("k1")
    await asyncio.sleep(0.2)
    assert heard == [selector], "told once"
    await asyncio.gather(here.close(), there.close())


async def test_a_node_that_starts_later_knows_earlier_purges() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    first, _ = node(store, clock, seen)
    await first.put("old", make_entry(source="s", at=clock.now()))
    await first.drop(select(Scope.SOURCE, "s"))
    await first.put("new", make_entry(source="s", at=clock.now()))
    await first.close()
    second, log = node(store, clock, seen)
    log.listen(_never_told)
    assert await second.get("old") is None
    assert await second.get("new") is not None
    await second.close()


async def _never_told(selector: Selector) -> None:
    raise AssertionError(f"{selector} was before this node began")


async def test_what_was_made_shortly_after_a_purge_by_a_clock_ahead_counts_as_before() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, _ = node(store, clock, seen, skew_s=5.0)
    await cache.drop(ALL)
    await cache.put("key", make_entry(at=clock.now() + 4))
    assert await cache.get("key") is None
    await cache.put("key", make_entry(at=clock.now() + 6))
    assert await cache.get("key") is not None
    await cache.close()


async def test_many_purges_are_folded_and_still_hold() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, log = node(store, clock, seen)
    for number in range(300):
        await cache.put(f"k{number}", make_entry(source=f"s{number}", at=clock.now()))
    await cache.put("kept", make_entry(source="kept", at=clock.now()))
    for number in range(250):
        await cache.drop(select(Scope.SOURCE, f"s{number}"))
    clock.ahead_s = 120
    await cache.drop(select(Scope.SOURCE, "s250"))
    await log.fold()
    async with asyncio.timeout(60):  # the node may have begun to fold by itself, and then it ends that by itself
        while len([meta for some in obstore.list(store, "purges") for meta in some]) >= 10:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await cache.close()
    later, _ = node(store, clock, seen)
    held = {key for key in (*(f"k{n}" for n in range(300)), "kept") if await later.get(key) is not None}
    assert held == {"kept", *(f"k{n}" for n in range(251, 300))}
    await later.close()


async def test_a_purge_nobody_can_read_counts_as_one_of_everything() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, _ = node(store, clock, seen)
    await cache.put("key", make_entry(at=clock.now()))
    await obstore.put_async(store, f"purges/{int((clock.now() + 1) * 1000):015d}-x", b"\xc1")
    await cache.close()
    later, _ = node(store, clock, seen)
    assert await later.get("key") is None
    assert seen.named("cache_purge_unreadable")
    await later.close()


# Damage


@pytest.mark.parametrize("damage", ["flip", "truncate", "grow", "swap", "empty", "facts"])
async def test_a_damaged_object_is_never_given_out(damage: str) -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, _ = node(store, clock, seen)
    entry = make_entry(b"the right body", at=clock.now())
    await cache.put("key", entry)
    await cache.put("other", make_entry(b"another one...", at=clock.now()))
    path = "results/ke/key"
    data = bytearray(bytes(obstore.get(store, path).bytes()))
    swapped = bytes(obstore.get(store, "results/ot/other").bytes())
    damaged = {
        "flip": bytes([*data[:-1], data[-1] ^ 1]),
        "truncate": bytes(data[:-1]),
        "grow": bytes(data) + b"x",
        "swap": swapped,
        "empty": b"",
        "facts": bytes([*data[:40], data[40] ^ 1, *data[41:]]),
    }[damage]
    obstore.put(store, path, damaged)
    assert await cache.get("key") is None
    assert seen.value("cache_damaged", "object") == 1
    await cache.put("key", entry)
    assert await cache.get("key") == entry
    await cache.close()


def test_packing_is_of_one_key() -> None:
    entry = make_entry(b"body")
    assert unpacked("key", packed("key", entry)) == entry
    assert unpacked("other", packed("key", entry)) is None


async def test_an_object_over_the_bound_is_not_read() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    big, _ = node(store, clock, seen)
    await big.put("key", make_entry(bytes(3_000_000), at=clock.now()))
    small, _ = node(store, clock, seen, get_timeout_s=20, body_bytes=1_000_000)
    assert await small.get("key") is None
    assert seen.value("cache_damaged", "object") == 1
    await asyncio.gather(big.close(), small.close())


# A store that is slow, away or refuses


@contextlib.asynccontextmanager
async def silent_server() -> AsyncIterator[int]:
    """A server that takes connections and never says a word."""
    held: list[asyncio.StreamWriter] = []

    async def hold(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        held.append(writer)

    server = await asyncio.start_server(hold, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for writer in held:
            writer.transport.abort()


def _point_at(port: int, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    for name, value in {
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
    }.items():
        monkeypatch.setenv(name, value)
    return open_store("s3://results/x")


async def test_a_silent_store_costs_a_little_at_first_and_then_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = Seen()
    async with silent_server() as port:
        store = _point_at(port, monkeypatch)
        cache, _ = node(store, TickingClock(), seen, get_timeout_s=0.1, put_timeout_s=0.1)
        for _ in range(6):
            assert await cache.get("key") is None
        begun = time.monotonic()
        for _ in range(1000):
            assert await cache.get("key") is None
            await cache.put("key", make_entry())
        assert time.monotonic() - begun < 60  # 2,000 time limits would be 200 s
        assert len(seen.named("cache_failed")) < 60
        with pytest.raises(Overloaded, match="holds on this node, ask again"):
            await cache.drop(ALL)
        await cache.close()
    assert seen.named("cache_purge_unsent")


async def test_a_purge_that_could_not_be_told_is_told_when_the_store_is_back() -> None:
    folder, clock, seen = _Switch(), TickingClock(), Seen()
    with pytest.raises(Misconfigured):
        open_store("ftp://x")
    here, log = node(folder.store, clock, seen)
    await here.put("key", make_entry(at=clock.now()))
    folder.away()
    with pytest.raises(Overloaded):
        await here.drop(ALL)
    assert await here.get("key") is None
    folder.back()
    there, _ = node(folder.store, clock, seen)
    async with asyncio.timeout(60):
        while log._unsent:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert await there.get("key") is None
    await asyncio.gather(here.close(), there.close())
    folder.clean()


class _Switch:
    """A store of files that can be taken away: its purge folder becomes a file, so nothing can be written in it."""

    def __init__(self) -> None:
        import tempfile  # noqa: PLC0415

        self._folder = tempfile.TemporaryDirectory()
        self.store = open_store(f"file://{self._folder.name}")
        self._purges = Path(self._folder.name) / "purges"

    def away(self) -> None:
        for path in self._purges.glob("*"):
            path.unlink()
        if self._purges.exists():
            self._purges.rmdir()
        self._purges.write_text("in the way")

    def back(self) -> None:
        self._purges.unlink()

    def clean(self) -> None:
        self._folder.cleanup()


async def test_entries_are_not_trusted_while_the_purges_cannot_be_read() -> None:
    store, clock, seen = MemoryStore(), TickingClock(), Seen()
    cache, _ = node(store, clock, seen, poll_s=1000)
    await cache.put("key", make_entry(at=clock.now()))
    assert await cache.get("key") is not None
    clock.ahead_s = 6
    assert await cache.get("key") is None
    await cache.close()


@pytest.mark.parametrize("url", ["http://x/", "s3:bucket", "redis://x", "", "s3://"])
def test_a_url_that_is_no_store_is_named(url: str) -> None:
    with pytest.raises(Misconfigured, match=r"cache\.object_url"):
        open_store(url)

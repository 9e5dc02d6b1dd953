"""What every place that keeps results must do. Each test module of a tier subclasses `Conformance` and opens its own."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.cache.support import ALL, Seen, TickingClock, make_entry, select
from tintype.cache.tier import Tier
from tintype.core.entry import ANY, SOURCE_TAG, Entry, Scope, Selector

TENANTS = ("a", "b")
SOURCES = ("https://x/1", "https://x/10", "https://x/2", "https://y/é", "")
TAGS = ("red", "blue", "rot\x00")
NAMES = (*TAGS, f"{SOURCE_TAG}https://x/1", f"{SOURCE_TAG}https://y/é", ANY)
KEYS = ("k1", "k2", "k3", "0" * 64, "../../etc/passwd", "ключ")
KEPT = {"k1", "k2", "k3", "k4", "k5", "k6"}

entries = st.builds(
    lambda body, source, tenant, tags: make_entry(body, source=source, tenant=tenant, tags=tuple(sorted(tags))),
    st.binary(max_size=3000),
    st.sampled_from(SOURCES),
    st.sampled_from(TENANTS),
    st.sets(st.sampled_from(NAMES), max_size=3),
)
selectors = st.one_of(
    st.builds(select, st.just(Scope.KEY), st.sampled_from(KEYS), st.sampled_from(("", *TENANTS))),
    st.builds(select, st.just(Scope.SOURCE), st.sampled_from(SOURCES), st.sampled_from(("", *TENANTS))),
    st.builds(select, st.just(Scope.PREFIX), st.sampled_from(("", "https://x/1", "https://", "z")), st.just("")),
    st.builds(select, st.just(Scope.TAG), st.sampled_from(TAGS), st.sampled_from(("", *TENANTS))),
    st.builds(select, st.just(Scope.ALL), st.just(""), st.sampled_from(("", *TENANTS))),
)
moves = st.one_of(
    st.tuples(st.just("put"), st.sampled_from(KEYS), entries),
    st.tuples(st.just("drop"), selectors),
)


class Conformance:
    """`counts`: drop tells how many went. `keeps`: what was put and not dropped is there, as nothing presses."""

    counts = True

    def opened(self, folder: Path, clock: TickingClock, seen: Seen) -> contextlib.AbstractAsyncContextManager[Tier]:
        raise AssertionError("each subclass opens its own")

    @pytest.fixture
    async def cache(self, tmp_path: Path) -> AsyncIterator[Tier]:
        self.clock, self.seen = TickingClock(), Seen()
        async with self.opened(tmp_path, self.clock, self.seen) as cache:
            yield cache

    def entry(self, body: bytes = b"body", **facts: object) -> Entry:
        return make_entry(body, at=self.clock.now(), **facts)  # type: ignore[arg-type]

    async def test_nothing_is_found_before_it_is_put(self, cache: Tier) -> None:
        assert await cache.get("a" * 64) is None

    @pytest.mark.parametrize("size", [0, 1, 4096, 70_001, 1_000_000])
    async def test_gives_back_bytes_and_facts(self, cache: Tier, size: int) -> None:
        entry = self.entry(bytes(i * 7 % 256 for i in range(min(size, 5000))) * (size // 5000 + 1), tags=("t", "ü"))
        await cache.put("key", entry)
        assert await cache.get("key") == entry

    @pytest.mark.parametrize("key", KEYS)
    async def test_takes_any_key(self, cache: Tier, key: str) -> None:
        await cache.put(key, self.entry(key.encode("utf-8", "surrogatepass")))
        found = await cache.get(key)
        assert found is not None
        assert found.body == key.encode("utf-8", "surrogatepass")

    async def test_the_last_put_counts(self, cache: Tier) -> None:
        for body in (b"first", b"second", b"third, longer"):
            await cache.put("key", self.entry(body, source=f"https://x/{body[0]}"))
        found = await cache.get("key")
        assert found is not None
        assert found.body == b"third, longer"
        await cache.drop(select(Scope.SOURCE, f"https://x/{b'first'[0]}"))
        assert await cache.get("key") is not None, "the source of a replaced entry must not drop its successor"

    @pytest.mark.parametrize(
        ("selector", "gone"),
        [
            (select(Scope.KEY, "k1"), {"k1"}),
            (select(Scope.SOURCE, "https://x/1"), {"k1", "k2"}),
            (select(Scope.SOURCE, "https://x/1", "b"), {"k2"}),
            (select(Scope.SOURCE, "https://x"), set()),
            (select(Scope.PREFIX, "https://x/1"), {"k1", "k2", "k3"}),
            (select(Scope.PREFIX, ""), {"k1", "k2", "k3", "k4", "k5", "k6"}),
            (select(Scope.PREFIX, "https://y/ÿ"), {"k5"}),
            (select(Scope.TAG, "red"), {"k2", "k4"}),
            (select(Scope.TAG, "red", "a"), {"k4"}),
            (select(Scope.TAG, "re"), set()),
            (ALL, {"k1", "k2", "k3", "k4", "k5", "k6"}),
            (select(Scope.ALL, tenant="a"), {"k1", "k3", "k4"}),
        ],
    )
    async def test_drops_what_is_meant_and_nothing_else(self, cache: Tier, selector: Selector, gone: set[str]) -> None:
        await cache.put("k1", self.entry(source="https://x/1", tenant="a"))
        await cache.put("k2", self.entry(source="https://x/1", tenant="b", tags=("red", "blue")))
        await cache.put("k3", self.entry(source="https://x/10", tenant="a", tags=("blue",)))
        await cache.put("k4", self.entry(source="https://y/1", tenant="a", tags=("red",)))
        await cache.put("k5", self.entry(source="https://y/ÿ\U0010ffff", tenant="b"))
        await cache.put("k6", self.entry(source="", tenant="b"))
        dropped = await cache.drop(selector)
        left = {key for key in KEPT if await cache.get(key) is not None}
        assert left == KEPT - gone
        if self.counts:
            assert dropped == len(gone)

    @pytest.mark.parametrize(
        ("selector", "gone"),
        [
            (select(Scope.SOURCE, "https://x/2"), {"also", "any"}),
            (select(Scope.PREFIX, "https://x/2"), {"also", "any"}),
            (select(Scope.PREFIX, "https://x/"), {"also", "any", "one"}),
            (select(Scope.TAG, "red"), {"any"}),
            (select(Scope.TAG, "red", "b"), set()),
            (select(Scope.SOURCE, "https://x", "a"), {"any"}),
            (select(Scope.KEY, "other"), set()),
        ],
    )
    async def test_further_sources_and_results_of_any_name(
        self, cache: Tier, selector: Selector, gone: set[str]
    ) -> None:
        await cache.put("one", self.entry(source="https://x/1", tenant="a"))
        await cache.put("also", self.entry(source="https://x/1", tenant="a", tags=(f"{SOURCE_TAG}https://x/2",)))
        await cache.put("any", self.entry(source="https://y", tenant="a", tags=(ANY,)))
        await cache.drop(selector)
        assert {key for key in ("one", "also", "any") if await cache.get(key) is None} == gone

    async def test_what_is_put_after_a_drop_stays(self, cache: Tier) -> None:
        await cache.put("key", self.entry(b"old"))
        await cache.drop(ALL)
        await cache.put("key", self.entry(b"new"))
        found = await cache.get("key")
        assert found is not None
        assert found.body == b"new"

    async def test_many_at_once(self, cache: Tier) -> None:
        async def one(number: int) -> None:
            entry = self.entry(b"%d" % number * 100, source=f"https://x/{number % 7}")
            for _ in range(3):
                await cache.put(f"k{number}", entry)
                found = await cache.get(f"k{number}")
                assert found is None or found == entry

        await asyncio.gather(*(one(number) for number in range(60)))
        found = [await cache.get(f"k{number}") for number in range(60)]
        assert None not in found

    async def test_is_empty_and_silent_when_closed(self, cache: Tier) -> None:
        await cache.put("key", self.entry())
        await cache.close()
        await cache.close()
        assert self.seen.named("cache_backlog_lost") == []

    @settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
    @given(st.lists(moves, max_size=25))
    def test_behaves_as_a_mapping_with_purges(self, done: list[tuple[str, ...]]) -> None:
        asyncio.run(self._same_as_a_dict(done))

    async def _same_as_a_dict(self, done: list[tuple[str, ...]]) -> None:
        clock, seen = TickingClock(), Seen()
        with tempfile.TemporaryDirectory() as folder:  # hypothesis shares tmp_path between examples
            async with self.opened(Path(folder), clock, seen) as cache:
                model: dict[str, Entry] = {}
                for move in done:
                    await _step(cache, model, move, clock)
                    for key in KEYS:
                        assert await cache.get(key) == model.get(key)
                await cache.close()


async def _step(cache: Tier, model: dict[str, Entry], move: tuple[object, ...], clock: TickingClock) -> None:
    if move[0] == "put":
        _, key, entry = move
        assert isinstance(key, str)
        assert isinstance(entry, Entry)
        facts = entry.facts
        model[key] = make_entry(entry.body, source=facts.source, tenant=facts.tenant, tags=facts.tags, at=clock.now())
        await cache.put(key, model[key])
    else:
        selector = move[1]
        assert isinstance(selector, Selector)
        await cache.drop(selector)
        for key, entry in list(model.items()):
            if selector.matches(entry.facts.tenant, key, entry.facts.source, entry.facts.tags):
                del model[key]

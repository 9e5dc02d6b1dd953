"""Shared reads: few readings for many who ask, and none that is older than the question."""

from __future__ import annotations

import asyncio

import pytest

from tintype.kit.reads import SharedReads


class Thing:
    """Something that changes, and takes a while to read."""

    def __init__(self) -> None:
        self.value = 0
        self.readings = 0
        self.gate = asyncio.Event()

    async def read(self, key: str) -> str:
        self.readings += 1
        seen = self.value
        await self.gate.wait()
        if key == "broken":
            raise ValueError(key)
        return f"{key}{seen}"


async def test_those_who_come_together_share_one_reading() -> None:
    thing = Thing()
    reads = SharedReads(thing.read)
    asked = [asyncio.create_task(reads("a")) for _ in range(100)]
    await asyncio.sleep(0.01)
    thing.gate.set()
    assert set(await asyncio.gather(*asked)) == {"a0"}
    assert thing.readings == 1


async def test_who_comes_later_gets_what_is_there_by_then() -> None:
    thing = Thing()
    reads = SharedReads(thing.read)
    early = asyncio.create_task(reads("a"))
    await asyncio.sleep(0.01)
    thing.value = 1
    late = [asyncio.create_task(reads("a")) for _ in range(50)]
    await asyncio.sleep(0.01)
    thing.gate.set()
    assert await early == "a0"
    assert set(await asyncio.gather(*late)) == {"a1"}
    assert thing.readings == 2


async def test_keys_do_not_wait_for_each_other_and_nothing_is_left() -> None:
    thing = Thing()
    thing.gate.set()
    reads = SharedReads(thing.read)
    assert await asyncio.gather(*(reads(key) for key in "abca")) == ["a0", "b0", "c0", "a0"]
    assert not reads._next
    assert not reads._under_way


async def test_an_error_is_told_to_all_who_wait_and_to_nobody_after() -> None:
    thing = Thing()
    thing.gate.set()
    reads = SharedReads(thing.read)
    answers = await asyncio.gather(reads("broken"), reads("broken"), return_exceptions=True)
    assert [type(answer) for answer in answers] == [ValueError, ValueError]
    assert thing.readings == 1
    with pytest.raises(ValueError, match="broken"):
        await reads("broken")


async def test_who_leaves_takes_nothing_from_the_others() -> None:
    thing = Thing()
    reads = SharedReads(thing.read)
    first, second = (asyncio.create_task(reads("a")) for _ in range(2))
    await asyncio.sleep(0.01)
    first.cancel()
    thing.gate.set()
    assert await second == "a0"

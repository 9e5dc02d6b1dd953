"""Slots and the table of recent things."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from tintype.kit.recent import Recent
from tintype.kit.slots import Slots


async def test_slots_bound_the_total_and_each_name() -> None:
    slots, running, peak = Slots(total=4, per_name=2), {"a": 0, "b": 0, "c": 0}, {"all": 0, "one": 0}

    async def use(name: str) -> None:
        async with slots.take(name):
            running[name] += 1
            peak["all"] = max(peak["all"], sum(running.values()))
            peak["one"] = max(peak["one"], *running.values())
            await asyncio.sleep(0.001)
            running[name] -= 1

    await asyncio.gather(*(use(name) for name in "abc" for _ in range(20)))
    assert peak == {"all": 4, "one": 2}
    assert len(slots) == 0


async def test_a_slow_name_leaves_room_for_others() -> None:
    slots, done = Slots(total=4, per_name=2), asyncio.Event()

    async def hold() -> None:
        async with slots.take("slow"):
            await done.wait()

    holders = [asyncio.create_task(hold()) for _ in range(50)]
    await asyncio.sleep(0)
    async with asyncio.timeout(5), slots.take("quick"):
        pass
    done.set()
    await asyncio.gather(*holders)


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    slots = Slots(total=1, per_name=1)
    async with slots.take("a"):
        waiting = asyncio.create_task(slots.take("a").__aenter__())
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
    assert len(slots) == 0


def test_what_is_remembered_expires() -> None:
    recent: Recent[str] = Recent(10)
    recent.put("k", "v", until=5.0)
    assert recent.get("k", 4.9) == "v"
    assert recent.get("k", 5.0) is None
    assert len(recent) == 0
    assert recent.get("never", 0.0) is None


def test_sweeping_forgets_what_expired_and_what_matches() -> None:
    recent: Recent[str] = Recent(10)
    for key, until in (("a", 1.0), ("b", 9.0), ("c", 9.0)):
        recent.put(key, key, until)
    recent.sweep(2.0, lambda value: value == "c")
    assert (len(recent), recent.get("b", 2.0)) == (1, "b")
    recent.forget("b")
    recent.forget("b")
    assert len(recent) == 0


def test_trimming_forgets_the_oldest_that_have_expired() -> None:
    recent: Recent[str] = Recent(10)
    for key, until in (("a", 5.0), ("b", 2.0), ("c", 3.0), ("a", 4.0)):
        recent.put(key, key, until)
    recent.trim(3.0)
    assert (len(recent), recent.get("a", 3.0)) == (1, "a")
    recent.trim(9.0)
    recent.trim(9.0)
    assert len(recent) == 0


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 9))))
def test_the_table_is_bounded_and_the_latest_word_counts(puts: list[tuple[str, int]]) -> None:
    recent: Recent[int] = Recent(3)
    for key, value in puts:
        recent.put(key, value, until=1.0)
        assert recent.get(key, 0.0) == value
        assert len(recent) <= 3

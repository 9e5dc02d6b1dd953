"""Single flights: one run for many, each with its own deadline and its own way out."""

from __future__ import annotations

import asyncio
import time

import pytest

from tintype.core.errors import BrokenImage, DeadlinePassed, Draining
from tintype.kit.flights import Flights

LATER = 60.0


def within(seconds: float) -> float:
    return time.monotonic() + seconds


class Work:
    """Something to fly: counts its starts, ends when told."""

    def __init__(self) -> None:
        self.starts = 0
        self.cancelled = 0
        self.ended = 0
        self.gate = asyncio.Event()
        self.error: Exception | None = None

    async def __call__(self) -> int:
        self.starts += 1
        try:
            await self.gate.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if self.error:
            raise self.error
        self.ended += 1
        return self.starts


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_many_callers_are_one_flight() -> None:
    flights, work = Flights[int](), Work()
    callers = [asyncio.create_task(flights.join("k", work, within(LATER))) for _ in range(50)]
    await settle()
    assert "k" in flights
    work.gate.set()
    assert await asyncio.gather(*callers) == [1] * 50
    assert work.starts == 1
    assert len(flights) == 0


async def test_keys_fly_apart_and_a_landed_flight_is_over() -> None:
    flights, work = Flights[int](), Work()
    work.gate.set()
    assert await flights.join("a", work, within(LATER)) == 1
    assert await flights.join("b", work, within(LATER)) == 2
    assert await flights.join("a", work, within(LATER)) == 3


async def test_each_waiter_has_its_own_deadline() -> None:
    flights, work = Flights[int](), Work()
    patient = asyncio.create_task(flights.join("k", work, within(LATER)))
    await settle()
    with pytest.raises(DeadlinePassed):
        await flights.join("k", work, within(0.02))
    assert not patient.done()
    work.gate.set()
    assert await patient == 1


async def test_a_failure_reaches_everyone_and_nobody_tries_again() -> None:
    flights, work = Flights[int](), Work()
    work.error = BrokenImage("no")
    callers = [asyncio.create_task(flights.join("k", work, within(LATER))) for _ in range(5)]
    await settle()
    work.gate.set()
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [BrokenImage] * 5
    assert work.starts == 1


async def test_if_the_beginner_had_less_time_the_others_begin_once_more_together() -> None:
    flights, starts = Flights[str](), []
    gate = asyncio.Event()

    def flying(name: str, deadline: float) -> asyncio.Task[str]:
        async def start() -> str:
            starts.append(name)
            await gate.wait()
            if name == "hasty":  # its own time is what it gave the work
                raise DeadlinePassed
            return name

        return asyncio.create_task(flights.join("k", start, deadline))

    hasty = flying("hasty", within(0.05))
    await settle()
    others = [flying(f"patient {number}", within(LATER)) for number in range(4)]
    with pytest.raises(DeadlinePassed):
        await hasty
    gate.set()
    assert set(await asyncio.gather(*others)) == {starts[1]}
    assert len(starts) == 2


async def test_a_second_failure_of_that_kind_is_final_and_who_began_does_not_begin_again() -> None:
    flights, starts = Flights[int](), []

    def flying(name: str) -> asyncio.Task[int]:
        async def hopeless() -> int:
            starts.append(name)
            raise DeadlinePassed

        return asyncio.create_task(flights.join("k", hopeless, within(LATER)))

    first, second = await asyncio.gather(flying("first"), flying("second"), return_exceptions=True)
    assert isinstance(first, DeadlinePassed)
    assert isinstance(second, DeadlinePassed)
    assert starts == ["first", "second"]


async def test_a_cancelled_waiter_removes_only_itself() -> None:
    flights, work = Flights[int](), Work()
    first = asyncio.create_task(flights.join("k", work, within(LATER)))
    second = asyncio.create_task(flights.join("k", work, within(LATER)))
    await settle()
    first.cancel()
    await settle()
    assert first.cancelled()
    assert work.cancelled == 0
    work.gate.set()
    assert await second == 1


async def test_a_queued_flight_without_waiters_is_dropped() -> None:
    flights, work = Flights[int](), Work()
    callers = [asyncio.create_task(flights.join("k", work, within(LATER))) for _ in range(2)]
    await settle()
    for caller in callers:
        caller.cancel()
    await settle()
    assert (work.starts, work.cancelled, len(flights)) == (1, 1, 0)


async def test_a_dropped_flight_is_not_joined() -> None:
    flights, work = Flights[int](), Work()
    gone = asyncio.create_task(flights.join("k", work, within(LATER)))
    await settle()
    gone.cancel()
    await asyncio.sleep(0)
    work.gate.set()
    assert await flights.join("k", work, within(LATER)) == 2


async def test_a_flight_under_way_finishes_without_waiters() -> None:
    flights, work = Flights[int](), Work()

    async def start() -> int:
        flights.began("k")
        return await work()

    caller = asyncio.create_task(flights.join("k", start, within(LATER)))
    await settle()
    caller.cancel()
    await settle()
    assert "k" in flights
    work.gate.set()
    await settle()
    assert (work.ended, work.cancelled, len(flights)) == (1, 0, 0)


async def test_a_failure_that_nobody_waits_for_is_no_warning() -> None:
    flights, work = Flights[int](), Work()
    work.error = ValueError("unseen")

    async def start() -> int:
        flights.began("k")
        return await work()

    caller = asyncio.create_task(flights.join("k", start, within(LATER)))
    await settle()
    caller.cancel()
    work.gate.set()
    await settle()
    assert len(flights) == 0  # and pytest turns a warning of the loop into a failure


async def test_closing_ends_what_is_under_way_with_a_word_for_those_who_wait() -> None:
    flights, work = Flights[int](), Work()
    caller = asyncio.create_task(flights.join("k", work, within(LATER)))
    await settle()
    await flights.close()
    with pytest.raises(Draining):
        await caller
    assert len(flights) == 0

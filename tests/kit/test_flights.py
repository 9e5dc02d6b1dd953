"""Single flights: one run for many, each with its own deadline and its own way out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker, Lane
from tintype.core.errors import BrokenImage, DeadlinePassed, Draining, Shed, TintypeError
from tintype.kit.flights import Flights

LATER = 60.0


def within(seconds: float, lane: Lane = Lane.INTERACTIVE, *, firm: bool = False) -> Asker:
    return Asker("t", lane=lane, deadline=time.monotonic() + seconds, firm=firm)


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

    def flying(name: str, asker: Asker) -> asyncio.Task[str]:
        async def start() -> str:
            starts.append(name)
            await gate.wait()
            if name == "hasty":  # its own time is what it gave the work
                raise DeadlinePassed
            return name

        return asyncio.create_task(flights.join("k", start, asker))

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


# Lanes: nobody is held up by who began


class Told:
    """A flight for each who joins, by name: waits until it is told what comes of it. `log`: what happened in order."""

    def __init__(self, flights: Flights[str]) -> None:
        self.flights = flights
        self.log: list[str] = []
        self.told: dict[str, asyncio.Future[str]] = {}

    def join(self, name: str, asker: Asker) -> asyncio.Task[str]:
        async def start() -> str:
            self.log.append(f"{name} starts")
            self.told[name] = asyncio.get_running_loop().create_future()
            try:
                return await self.told[name]
            finally:
                await asyncio.sleep(0)  # to give back what is held may take a while
                self.log.append(f"{name} ends")

        return asyncio.create_task(self.flights.join("k", start, asker))


async def test_a_higher_lane_begins_what_is_queued_anew_for_all() -> None:
    told = Told(flights := Flights[str]())
    prefetch = told.join("prefetch", within(LATER, Lane.PREFETCH))
    await settle()
    assert not flights.carries("k", within(LATER))
    assert flights.carries("k", within(LATER, Lane.JOB))
    looked_at = told.join("looked at", within(LATER))
    await settle()
    assert told.log == ["prefetch starts", "prefetch ends", "looked at starts"]
    assert flights.carries("k", within(LATER))
    told.told["looked at"].set_result("made")
    assert [await prefetch, await looked_at] == ["made", "made"]
    assert len(flights) == 0


async def begun_prefetch(told: Told, flights: Flights[str]) -> asyncio.Task[str]:
    """Have a prefetch lead, and begin: nobody can begin it anew any more."""
    prefetch = told.join("prefetch", within(LATER, Lane.PREFETCH))
    await settle()
    flights.began("k")
    return prefetch


async def test_what_is_under_way_is_waited_for_by_any_lane() -> None:
    told = Told(flights := Flights[str]())
    prefetch = await begun_prefetch(told, flights)
    looked_at = told.join("looked at", within(LATER))
    await settle()
    told.told["prefetch"].set_result("made")
    assert [await prefetch, await looked_at] == ["made", "made"]
    assert told.log == ["prefetch starts", "prefetch ends"]


async def test_a_lower_lane_changes_nothing() -> None:
    told = Told(Flights[str]())
    looked_at = told.join("looked at", within(LATER))
    await settle()
    prefetch = told.join("prefetch", within(LATER, Lane.PREFETCH))
    await settle()
    prefetch.cancel()
    told.told["looked at"].set_result("made")
    assert await looked_at == "made"
    assert told.log == ["looked at starts", "looked at ends"]


async def test_who_lost_the_lead_may_leave_and_the_flight_goes_on() -> None:
    told = Told(Flights[str]())
    prefetch = told.join("prefetch", within(LATER, Lane.PREFETCH))
    await settle()
    looked_at = told.join("looked at", within(LATER))
    prefetch.cancel()
    await settle()
    told.told["looked at"].set_result("made")
    assert await looked_at == "made"


async def test_a_refusal_is_that_of_the_lane_it_was_said_to() -> None:
    """It was refused after it had begun, so that nobody could begin it anew before."""
    told = Told(flights := Flights[str]())
    prefetch = await begun_prefetch(told, flights)
    others = [told.join(f"looked at {at}", within(LATER + at)) for at in range(5)]
    await settle()
    told.told["prefetch"].set_exception(Shed("for prefetches"))
    with pytest.raises(Shed):
        await prefetch
    await settle()
    assert "k" in flights
    told.told["looked at 4"].set_result("made")
    assert await asyncio.gather(*others) == ["made"] * 5
    assert told.log[2:] == ["looked at 4 starts", "looked at 4 ends"]


async def test_what_one_is_refused_all_are_who_are_no_better_off() -> None:
    told = Told(flights := Flights[str]())
    callers = [told.join(f"{at}", within(LATER + at)) for at in range(3)]
    callers.append(told.join("prefetch", within(LATER, Lane.PREFETCH)))
    await settle()
    told.told["0"].set_exception(Shed("for all"))
    results = await asyncio.gather(*callers, return_exceptions=True)
    assert [type(result) for result in results] == [Shed] * 4
    assert told.log == ["0 starts", "0 ends"]
    assert len(flights) == 0


async def test_lanes_and_deadlines_that_cross_are_tried_in_turn_and_then_all_know() -> None:
    told = Told(flights := Flights[str]())
    short = [told.join(f"looked at {at}", within(LATER - at)) for at in range(2)]
    longest = told.join("prefetch", within(2 * LATER, Lane.PREFETCH))
    await settle()
    told.told["looked at 0"].set_exception(DeadlinePassed("too late"))
    await settle()
    assert [type((await asyncio.gather(one, return_exceptions=True))[0]) for one in short] == [DeadlinePassed] * 2
    told.told["prefetch"].set_exception(DeadlinePassed("too late"))
    with pytest.raises(DeadlinePassed):
        await longest
    assert len(flights) == 0


async def test_a_leader_without_time_fails_nobody_who_has_time() -> None:
    """Whatever the order in which they came: who has the most time tries once for all."""
    told = Told(Flights[str]())
    hasty = told.join("hasty", within(0.05))
    others = [told.join(f"{at}", within(0.2 + at * LATER)) for at in range(3)]
    with pytest.raises(DeadlinePassed):
        await hasty
    told.told["hasty"].set_exception(DeadlinePassed("by the leader's clock"))
    await settle()
    assert told.log[-1] == "2 starts"
    told.told["2"].set_result("made")
    assert await asyncio.gather(*others) == ["made"] * 3


async def test_what_is_refused_for_a_deadline_of_its_own_is_tried_by_who_has_more_time() -> None:
    told = Told(Flights[str]())
    hasty = told.join("hasty", within(1.0, firm=True))
    patient = told.join("patient", within(LATER))
    await settle()
    told.told["hasty"].set_exception(Shed("it would not be done by then"))
    with pytest.raises(Shed):
        await hasty
    await settle()
    told.told["patient"].set_result("made")
    assert await patient == "made"


async def test_closing_while_a_refusal_is_told_leaves_nothing_behind() -> None:
    told = Told(flights := Flights[str]())
    prefetch = await begun_prefetch(told, flights)
    looked_at = told.join("looked at", within(LATER))
    await settle()
    told.told["prefetch"].set_exception(Shed("for prefetches"))
    await flights.close()
    results = await asyncio.gather(prefetch, looked_at, return_exceptions=True)
    assert {type(result) for result in results} <= {Shed, Draining}
    assert len(flights) == 0


STEPS = st.sampled_from(["join", "join", "leave", "began", "done", "refused", "broken"])


@given(st.lists(st.tuples(STEPS, st.sampled_from(Lane), st.integers(0, 20)), max_size=20))
def test_whatever_comes_everybody_is_answered_once_and_nobody_is_held_up(steps: list[tuple[str, Lane, int]]) -> None:
    asyncio.run(_played(steps))


async def _played(steps: list[tuple[str, Lane, int]]) -> None:
    """Play joins, leavings, beginnings and ends in any order; look at what must hold after each."""
    told = Told(flights := Flights[str]())
    joined: dict[str, tuple[asyncio.Task[str], Lane]] = {}
    ends: dict[str, Callable[[asyncio.Future[str]], None]] = {
        "done": lambda future: future.set_result("made"),
        "refused": lambda future: future.set_exception(Shed("no")),
        "broken": lambda future: future.set_exception(BrokenImage("no")),
    }
    for step, lane, number in steps:
        waiting = [name for name, (task, _) in joined.items() if not task.done()]
        leads = [name for name, future in told.told.items() if not future.done()]
        assert len(leads) <= 1
        if step == "join":
            name = f"{len(joined)}"
            joined[name] = told.join(name, within(LATER, lane)), lane
        elif step == "leave" and waiting:
            joined[waiting[number % len(waiting)]][0].cancel()
        elif step == "began":
            flights.began("k")
        elif step in ends and leads:
            ends[step](told.told[leads[0]])
        await settle()
        lanes = [lane for task, lane in joined.values() if not task.done()]
        assert not lanes or flights.carries("k", within(LATER, min(lanes)))
    await flights.close()
    results = await asyncio.gather(*(task for task, _ in joined.values()), return_exceptions=True)
    assert all(result == "made" or isinstance(result, TintypeError | asyncio.CancelledError) for result in results)
    assert len(flights) == 0
    assert len([line for line in told.log if "starts" in line]) == len([line for line in told.log if "ends" in line])

"""Single flights: what several callers want at the same time is made once, and each waits only as long as it can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from tintype.admission.asker import Asker
from tintype.admission.heirs import better_off, overtakes, urgency
from tintype.core.errors import DeadlinePassed, Draining, QuotaExceeded, Shed, SourceBusy

T = TypeVar("T")

# What is said to who asks, and not of what is asked for.
_REFUSALS = (DeadlinePassed, QuotaExceeded, Shed, SourceBusy)


class _Waiter(Generic[T]):
    """One that waits. `start`: how it would do the work itself; `answer`: what has ended for it, while others go on."""

    def __init__(self, asker: Asker, start: Callable[[], Coroutine[Any, Any, T]]) -> None:
        self.asker, self.start = asker, start
        self.answer: asyncio.Task[T] | None = None

    def lead(self, after: asyncio.Task[T] | None) -> asyncio.Task[T]:
        """Start the work, once what it takes the place of has given back what it held."""
        return asyncio.get_running_loop().create_task(self.start() if after is None else self._start_after(after))

    async def _start_after(self, other: asyncio.Task[T]) -> T:
        await asyncio.wait((other,))
        return await self.start()


class _Flight(Generic[T]):
    """`task` is the work as `leader` does it. The leader may have gone, others wait."""

    def __init__(self, leader: _Waiter[T]) -> None:
        self.leader, self.task = leader.asker, leader.lead(None)
        self.waiters: dict[_Waiter[T], None] = {}  # in order
        self.began = False

    @property
    def queued(self) -> bool:
        return not self.began and not self.task.done()

    def held_up(self, asker: Asker) -> bool:
        """Tell whether one would have its turn sooner if it led."""
        return self.queued and overtakes(asker, self.leader)

    def led_by(self, leader: _Waiter[T]) -> None:
        """Begin anew, for another."""
        self.task.cancel()
        self.leader, self.task, self.began = leader.asker, leader.lead(self.task), False


class Flights(Generic[T]):
    """One flight a key. A flight is nobody's: who began it may leave, and it goes on for those who still wait.

    A flight that nobody waits for any more is cancelled, unless it has called `began`: what is queued is dropped,
    what is running finishes (and, by its own last lines, ends up in a cache). Until then, one in a higher lane who joins begins
    it anew for all: it has its turn, and is refused, as if it had come alone.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    def carries(self, key: str, asker: Asker) -> bool:
        """Tell whether a flight is under way that one would wait for, and not begin anew."""
        flight = self._flights.get(key)
        return flight is not None and not flight.held_up(asker)

    async def join(self, key: str, start: Callable[[], Coroutine[Any, Any, T]], asker: Asker) -> T:
        """Return what `start` returns, from a flight under way or, if there is none as urgent, a new one.

        Its errors are everybody's, but for what its leader was refused: those who are better off (`admission.heirs`) try again.

        Raises:
            DeadlinePassed: the asker's deadline passed; the flight goes on for the others.
            Draining: `close` ended the flight.
        """
        me = _Waiter(asker, start)
        flight = self._boarded(key, me)
        flight.waiters[me] = None
        try:
            task = await self._waited(flight, me)
        finally:
            flight.waiters.pop(me, None)
            if not flight.waiters and flight.queued:
                self._forget(key, flight)
                flight.task.cancel()
        if not task.done():
            raise DeadlinePassed
        if task.cancelled():
            raise Draining
        return task.result()

    def began(self, key: str) -> None:
        """Mark a flight as under way, so that it finishes even if nobody waits. Called from within `start`."""
        if flight := self._flights.get(key):
            flight.began = True

    async def close(self) -> None:
        """Cancel all flights and wait for their end."""
        while tasks := [flight.task for flight in self._flights.values()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _boarded(self, key: str, me: _Waiter[T]) -> _Flight[T]:
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = _Flight(me)
        elif flight.held_up(me.asker):
            flight.led_by(me)
        else:
            return flight
        self._watch(key, flight)
        return flight

    async def _waited(self, flight: _Flight[T], me: _Waiter[T]) -> asyncio.Task[T]:
        """Wait for a flight, whoever leads it; returns what has ended, or has not in time."""
        while True:
            task = flight.task
            await _ended(task, me.asker.deadline - self._monotonic())
            if me.answer is not None:
                return me.answer
            if task is flight.task or not task.done():
                return task

    def _watch(self, key: str, flight: _Flight[T]) -> None:
        flight.task.add_done_callback(lambda task: self._landed(key, flight, task))

    def _landed(self, key: str, flight: _Flight[T], task: asyncio.Task[T]) -> None:
        error = None if task.cancelled() else task.exception()  # looked at, so that one without waiters is no warning
        if task is not flight.task:
            return  # another leads
        left = self._left(flight, error) if isinstance(error, _REFUSALS) else {}
        if not left:
            self._forget(key, flight)
            return
        for one in flight.waiters:
            one.answer = None if one in left else task
        flight.waiters = left
        flight.led_by(min(left, key=lambda one: urgency(one.asker)))
        self._watch(key, flight)

    def _left(self, flight: _Flight[T], error: BaseException) -> dict[_Waiter[T], None]:
        """Return who may have what the leader was refused."""
        now, expired = self._monotonic(), isinstance(error, DeadlinePassed)
        return {one: None for one in flight.waiters if better_off(one.asker, flight.leader, now, expired=expired)}

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]


async def _ended(task: asyncio.Task[Any], within_s: float) -> None:
    """Wait for a task's end for a while, as `asyncio.wait` does for several at three times the cost; it goes on in any case."""
    loop = asyncio.get_running_loop()
    waiter = loop.create_future()

    def wake(_: object = None) -> None:
        if not waiter.done():
            waiter.set_result(None)

    timer = loop.call_later(max(0.0, within_s), wake)
    task.add_done_callback(wake)
    try:
        await waiter
    finally:
        timer.cancel()
        task.remove_done_callback(wake)

"""Single flights: what several callers want at the same time is made once, and each waits only as long as it can."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

from tintype.core.errors import DeadlinePassed, Draining

T = TypeVar("T")


class _Flight(Generic[T]):
    def __init__(self, task: asyncio.Task[T]) -> None:
        self.task = task
        self.waiters = 0
        self.began = False


class Flights(Generic[T]):
    """One flight a key. A flight is nobody's: who began it may leave, and it goes on for those who still wait.

    A flight that nobody waits for any more is cancelled, unless it has called `began`: what is queued is dropped,
    what is running finishes (and, by its own last lines, ends up in a cache).
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._flights: dict[str, _Flight[T]] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def __contains__(self, key: str) -> bool:
        return key in self._flights

    async def join(self, key: str, start: Callable[[], Awaitable[T]], deadline: float) -> T:
        """Return what `start` returns, from a flight under way or, if there is none, a new one.

        Its errors are everybody's, but for one: if the flight ran out of the time that its beginner had, or could not be
        made in it, the others with time left begin another one, once.

        Raises:
            DeadlinePassed: `deadline` (monotonic) passed; the flight goes on for the others.
            Draining: `close` ended the flight.
        """
        mine = key not in self._flights
        try:
            return await self._wait(key, start, deadline)
        except DeadlinePassed:
            if mine or self._monotonic() >= deadline:
                raise
        return await self._wait(key, start, deadline)

    def began(self, key: str) -> None:
        """Mark a flight as under way, so that it finishes even if nobody waits. Called from within `start`."""
        if flight := self._flights.get(key):
            flight.began = True

    async def close(self) -> None:
        """Cancel all flights and wait for their end."""
        tasks = [flight.task for flight in self._flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _wait(self, key: str, start: Callable[[], Awaitable[T]], deadline: float) -> T:
        flight = self._flights.get(key) or self._begin(key, start)
        flight.waiters += 1
        try:
            await asyncio.wait((flight.task,), timeout=max(0.0, deadline - self._monotonic()))
        finally:
            flight.waiters -= 1
            if not flight.waiters and not flight.began and not flight.task.done():
                self._forget(key, flight)
                flight.task.cancel()
        if not flight.task.done():
            raise DeadlinePassed
        if flight.task.cancelled():
            raise Draining
        return flight.task.result()

    def _begin(self, key: str, start: Callable[[], Awaitable[T]]) -> _Flight[T]:
        async def fly() -> T:
            return await start()

        flight = _Flight(asyncio.get_running_loop().create_task(fly()))
        self._flights[key] = flight
        flight.task.add_done_callback(lambda _: self._landed(key, flight))
        return flight

    def _landed(self, key: str, flight: _Flight[T]) -> None:
        self._forget(key, flight)
        if not flight.task.cancelled():
            flight.task.exception()  # looked at, so that one without waiters is no warning

    def _forget(self, key: str, flight: _Flight[T]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

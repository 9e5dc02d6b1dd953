"""The engine of what nobody waits for: one worker behind all others, started with its first job.

The kernel gives it the time that nobody else wants, to the microsecond; a rule of ours in the queue of the other workers
could only choose between starting a slow encoding and leaving a worker idle.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable

from tintype.core.errors import TintypeError
from tintype.engine.pool import Pool

LOWEST = 20  # one more than nice(2) has: behind all others (core.messages.Setup)


class Reserve:
    """Port Reserve with a pool that `make` returns; one that does not start is replaced with the next job."""

    def __init__(self, make: Callable[[], Pool]) -> None:
        self._make = make
        self._starting: asyncio.Task[Pool] | None = None

    async def runner(self) -> Pool:
        """See port Reserve."""
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.get_running_loop().create_task(_started(self._make()))
        return await asyncio.shield(self._starting)

    async def close(self) -> None:
        """End the pool, if there is one, as port Engine has it."""
        if self._starting is not None:
            with contextlib.suppress(TintypeError):  # it did not start
                await (await self._starting).close()


async def _started(pool: Pool) -> Pool:
    await pool.start()
    return pool

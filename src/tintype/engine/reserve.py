"""The engine of what nobody waits for: one worker at the lowest priority, started with its first job.

The kernel gives it the time that nobody else wants, to the microsecond; a rule of ours in the queue of the other workers
could only choose between starting a slow encoding and leaving a worker idle.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence

from tintype.core.errors import TintypeError
from tintype.core.formats import Format
from tintype.core.plan import Plan
from tintype.engine.pool import Pool
from tintype.ports import Finished

LOWEST = 19  # nice(2)


class Reserve:
    """Port Runner over a pool that `make` returns; one that does not start is replaced with the next job."""

    def __init__(self, make: Callable[[], Pool]) -> None:
        self._make = make
        self._starting: asyncio.Task[Pool] | None = None

    async def run(
        self,
        inputs: Sequence[tuple[int, int, Format]],
        plans: Sequence[Plan],
        *,
        tenant: str,
        digest: str,
        deadline: float,
        began: Callable[[], None] | None = None,
    ) -> Finished:
        """See port Runner."""
        pool = await self._pool()
        return await pool.run(inputs, plans, tenant=tenant, digest=digest, deadline=deadline, began=began)

    async def close(self) -> None:
        """End the pool, if there is one, as port Engine has it."""
        if self._starting is not None:
            with contextlib.suppress(TintypeError):  # it did not start
                await (await self._starting).close()

    async def _pool(self) -> Pool:
        if self._starting is None or (self._starting.done() and self._starting.exception() is not None):
            self._starting = asyncio.get_running_loop().create_task(_started(self._make()))
        return await asyncio.shield(self._starting)


async def _started(pool: Pool) -> Pool:
    await pool.start()
    return pool

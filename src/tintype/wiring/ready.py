"""Whether a node is ready: its engine answers."""

from __future__ import annotations

import asyncio

from tintype.core.errors import Draining, Overloaded, TintypeError
from tintype.engine.pool import Pool
from tintype.ports import Clock

# How long a worker may take to say that it is there.
_READY_S = 5.0


class Readiness:
    """Whether the engine answers: asked of a real worker, at most once a second."""

    def __init__(self, engine: Pool, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock
        self._said: tuple[float, bool] = (float("-inf"), False)

    async def __call__(self) -> bool:
        """Return whether a worker is ready; an engine that is busy counts as ready."""
        asked_at, ready = self._said
        if self._clock.monotonic() - asked_at < 1:
            return ready
        try:
            async with asyncio.timeout(_READY_S):
                await self._engine.check()
            ready = True
        except Overloaded as error:
            ready = not isinstance(error, Draining)
        except (TintypeError, TimeoutError):
            ready = False
        self._said = (self._clock.monotonic(), ready)
        return ready

"""Slots: how much is under way at once, in total and for one name, so that one slow host cannot hold them all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Slots:
    """The name's slot is taken first: who waits for a slow host holds no place that another host could use."""

    def __init__(self, total: int, per_name: int) -> None:
        self._all = asyncio.Semaphore(total)
        self._per_name = per_name
        self._names: dict[str, tuple[asyncio.Semaphore, int]] = {}

    def __len__(self) -> int:
        """Names with someone holding or waiting."""
        return len(self._names)

    @asynccontextmanager
    async def take(self, name: str) -> AsyncIterator[None]:
        """Hold a slot; waits for it as long as the caller does."""
        async with self._named(name), self._all:
            yield

    @asynccontextmanager
    async def _named(self, name: str) -> AsyncIterator[None]:
        slot, users = self._names.get(name, (asyncio.Semaphore(self._per_name), 0))
        self._names[name] = (slot, users + 1)
        try:
            async with slot:
                yield
        finally:
            users = self._names[name][1] - 1
            if users:
                self._names[name] = (slot, users)
            else:
                del self._names[name]

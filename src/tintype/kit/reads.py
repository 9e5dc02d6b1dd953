"""Shared reads: who asks while something is being read waits for the next reading, along with all others who came since.

So however many ask at once, at most two readings of a thing are waited for, and none that began before it was asked for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class SharedReads(Generic[T]):
    """Readings by key. One that nobody waits for any more goes on to its end, which is for `read` to bound."""

    def __init__(self, read: Callable[[str], Awaitable[T]]) -> None:
        self._read = read
        self._under_way: dict[str, asyncio.Task[T]] = {}
        self._next: dict[str, asyncio.Task[T]] = {}

    async def __call__(self, key: str) -> T:
        reading = self._next.get(key)
        if reading is None:
            reading = self._next[key] = asyncio.create_task(self._after(self._under_way.get(key), key))
        return await asyncio.shield(reading)

    async def _after(self, other: asyncio.Task[T] | None, key: str) -> T:
        if other is not None:
            await asyncio.wait((other,))
        reading = self._under_way[key] = self._next.pop(key)
        try:
            return await self._read(key)
        finally:
            if self._under_way.get(key) is reading:
                del self._under_way[key]

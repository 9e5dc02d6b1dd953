"""Purges that hold on every node of a shared store: a log of small objects that all nodes read every second.

A store cannot drop by source or tag, so nothing is looked for: an entry made before a purge that matches it is a miss
from then on, and the bucket's own lifecycle rule removes its bytes one day. Many purges are folded into one object, so
the log stays short; a fold repeats what it replaces, so it does not matter who folds or how often.

Nodes' clocks may differ by `skew_s`: an entry made that shortly after a purge counts as made before it, unless it says that
the purge had been carried out where it was begun (`EntryFacts.after`). That can be told by times alone, as a purge gets one
later than every purge that was in the log before it, whose ever clock they are of.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import msgspec
import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore

from tintype.core.entry import EntryFacts, Scope, Selector
from tintype.core.purges import Marks
from tintype.ports import Clock, Telemetry

Purge = tuple[Selector, float]  # what, and when: Unix seconds
STORE_ERRORS = (BaseError, OSError, TimeoutError)  # what obstore raises when a store is away, refuses or has nothing

_FOLDER = "purges"
_WINDOW_S = 600.0  # how far back each reading goes, for nodes whose clocks are behind
_FOLD_AT = 200  # objects in the log; more are folded into one
_FOLD_AGE_S = 60.0  # only what every node has long read
_MOST = 1_000  # purges kept for a store that is away; then they become one of everything
_AT_ONCE = 16
_FIRST_READ_S = 0.5
_TICK_S = 1e-6  # between a purge and the next, if the clocks of two nodes have them the other way round
_ENCODE, _DECODE = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(list[Purge]).decode


class PurgeLog:
    """Reads the log in the background from the first use on, until `close`.

    Args:
        memory: purges kept apart; when there are more, everything older than the oldest counts as purged.
        poll_s: seconds between readings. stale_s: without a reading for so long, `is_current` is false.
    """

    def __init__(
        self,
        store: ObjectStore,
        *,
        clock: Clock,
        telemetry: Telemetry,
        memory: int = 10_000,
        poll_s: float = 1.0,
        stale_s: float = 5.0,
        skew_s: float = 5.0,
    ) -> None:
        self._store, self._clock, self._telemetry = store, clock, telemetry
        self._poll_s, self._stale_s, self._skew_s = poll_s, stale_s, skew_s
        self._marks = Marks(memory)
        self._unsent: list[Purge] = []
        self._seen: set[str] = set()
        self._newest = 0.0
        self._heard_at = 0.0
        self._read_at: float | None = None
        self._first, self._sending = asyncio.Event(), asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._heard: Callable[[Selector], Awaitable[object]] | None = None

    def listen(self, heard: Callable[[Selector], Awaitable[object]]) -> None:
        """Have every purge of another node told, from the first reading on that has it."""
        self._heard = heard

    def covers(self, key: str, facts: EntryFacts) -> bool:
        """Tell whether an entry was purged after it was made."""
        latest = self._marks.latest(facts.tenant, key, facts.source, facts.tags)
        return facts.created_at <= latest + self._skew_s and facts.after < latest

    @property
    def heard(self) -> float:
        """The time of the latest purge that is in the log and known here."""
        return self._heard_at

    def is_current(self) -> bool:
        """Tell whether the log was read just now. If not, trust no shared entry."""
        return self._read_at is not None and self._clock.monotonic() - self._read_at <= self._stale_s

    async def first_read(self) -> None:
        """Start to follow the log; in the first half second of a node's life, wait for what it says."""
        self._start()
        await self._first.wait()

    async def record(self, selector: Selector) -> None:
        """Let a purge hold here at once, and everywhere when this returns; if it raises, it is tried again behind.

        Raises:
            STORE_ERRORS
        """
        at = self._clock.now()
        self._marks.mark(selector, at)
        self._unsent.append((selector, at))
        if len(self._unsent) > _MOST:
            self._unsent = [(Selector(scope=Scope.ALL), at)]
        self._start()  # what cannot be sent now is sent from there
        await self._send()

    async def read(self) -> None:
        """Read what is new. Raises STORE_ERRORS."""
        first, begun, newest = self._read_at is None, self._clock.monotonic(), self._newest
        since = None if first else _name(newest - _WINDOW_S, "")
        async for some in obstore.list(self._store, _FOLDER, offset=since, chunk_size=_AT_ONCE):
            names = [meta["path"] for meta in some if meta["path"] not in self._seen]
            for purges in await asyncio.gather(*map(self._fetch, names)):
                await self._learn(purges, tell=not first)
            self._seen.update(names)
            newest = max([newest, *map(_time_of, names)])
        self._newest, self._read_at = newest, begun

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._unsent:
            self._telemetry.event("cache_purge_unsent", purges=len(self._unsent))

    async def fold(self) -> None:
        """Put the older objects of the log into one, when there are many. Raises STORE_ERRORS."""
        before = self._clock.now() - _FOLD_AGE_S
        listed = await obstore.list(self._store, _FOLDER, chunk_size=1000).collect_async()
        names = {meta["path"] for meta in listed}
        self._seen &= names
        old = [name for name in self._seen if _time_of(name) < before]
        if len(old) < _FOLD_AT:
            return
        await self._write(max(map(_time_of, old)), self._marks.items())
        self._seen.difference_update(old)
        for name in old:
            await obstore.delete_async(self._store, name)

    def _start(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._follow())
            asyncio.get_running_loop().call_later(_FIRST_READ_S, self._first.set)

    async def _follow(self) -> None:
        """Send, read and fold for ever; a store that is away is asked again a second later."""
        while True:
            try:
                async with asyncio.timeout(4 * self._stale_s):
                    await self._send()
                    await self.read()
                    if len(self._seen) >= _FOLD_AT and not secrets.randbelow(10):  # one node of many will do
                        await self.fold()
            except STORE_ERRORS as error:
                self._telemetry.count("cache_errors", tier="object")
                self._telemetry.event("cache_purges_unread", error=f"{type(error).__name__}: {error}")
            self._first.set()
            await asyncio.sleep(self._poll_s)

    async def _send(self) -> None:
        async with self._sending:
            if unsent := list(self._unsent):
                await self.read()
                at = max(unsent[-1][1], self._heard_at + _TICK_S)
                for selector, _ in unsent:
                    self._marks.mark(selector, at)
                await self._write(at, [(selector, at) for selector, _ in unsent])
                self._heard_at = max(self._heard_at, at)
                self._unsent = [purge for purge in self._unsent if purge not in unsent]

    async def _write(self, at: float, purges: Sequence[Purge]) -> None:
        name = _name(at, secrets.token_hex(4))
        self._seen.add(name)  # it says nothing new to this node
        await obstore.put_async(self._store, name, _ENCODE(purges), use_multipart=False)

    async def _fetch(self, name: str) -> list[Purge]:
        try:
            result = await obstore.get_async(self._store, name)
            return _DECODE(bytes(await result.bytes_async()))
        except FileNotFoundError:  # folded meanwhile; the fold is read next
            return []
        except msgspec.MsgspecError:  # not a purge of ours: what it was about is unknown, so everything counts
            self._telemetry.event("cache_purge_unreadable", object=name)
            self._marks.forget(_time_of(name) + 0.001)  # names have milliseconds
            return []

    async def _learn(self, purges: Sequence[Purge], *, tell: bool) -> None:
        for selector, at in purges:
            known = self._marks.get(selector) >= at
            self._marks.mark(selector, at)
            self._heard_at = max(self._heard_at, at)
            if tell and not known and self._heard is not None:
                await self._heard(selector)
                self._telemetry.observe("purge_seconds", max(0.0, self._clock.now() - at))


def _name(at: float, suffix: str) -> str:
    """Names sort by time: milliseconds in 15 digits."""
    return f"{_FOLDER}/{max(0, int(at * 1000)):015d}-{suffix}"


def _time_of(name: str) -> float:
    digits: Any = name.removeprefix(f"{_FOLDER}/").partition("-")[0]
    return int(digits) / 1000 if digits.isdigit() else 0.0

"""Leads: which of several nodes makes a result. The others wait until it has, and then look at what they share.

A lead is a key that runs out unless it is renewed, and that only who set it can renew and delete. It is advice: a node that
cannot tell makes the result itself, so at worst every node makes it once.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from tintype.coordination.link import Away, Link, Script
from tintype.ports import Clock, Telemetry

_RENEW = Script("return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('PEXPIRE', KEYS[1], ARGV[2]) or 0")
_END = Script("return redis.call('GET', KEYS[1]) == ARGV[1] and redis.call('DEL', KEYS[1]) or 0")

# Between two looks whether a lead has ended: soon at first, as most renders take some ten milliseconds. Seconds.
_FIRST_LOOK_S, _LAST_LOOK_S, _LONGER = 0.01, 0.2, 1.5
# Results that one node waits for at once, each with five looks a second. What comes on top is not waited for.
_MOST_WAITS = 100


class ValkeyLead:
    """The `Lead` port: `over` when what it is for was made or has failed."""

    def __init__(self) -> None:
        self.token = secrets.token_hex(8)
        self.over = asyncio.Event()
        self.kept: Callable[[], Awaitable[None]] | None = None

    def end_after(self, kept: Callable[[], Awaitable[None]]) -> None:
        self.kept = kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()


class ValkeyLeads:
    """The `Leads` port. `lead_s`: how long a lead lasts that is not renewed."""

    def __init__(self, link: Link, lead_s: float, clock: Clock, telemetry: Telemetry) -> None:
        self._link, self._lead_s = link, lead_s
        self._clock, self._telemetry = clock, telemetry
        self._held: set[asyncio.Task[None]] = set()
        self._waits = 0

    async def lead(self, key: str, deadline: float, waits: Callable[[], None]) -> ValkeyLead | None:
        name, lead = self._link.key("lead", key), ValkeyLead()
        try:
            led = await self._link.call("SET", name, lead.token, "NX", "PX", int(self._lead_s * 1000))
        except Away:  # it may be set all the same
            return self._hold(name, lead, "alone")
        except asyncio.CancelledError:
            self._hold(name, lead, "led").over.set()
            raise
        if led:
            return self._hold(name, lead, "led")
        if await self._ended(name, deadline, waits):
            self._telemetry.count("leads", result="waited")
            return None
        self._telemetry.count("leads", result="alone")
        return lead

    async def close(self) -> None:
        """End what is still led here."""
        for task in self._held:
            task.cancel()
        await asyncio.gather(*self._held, return_exceptions=True)

    def _hold(self, name: str, lead: ValkeyLead, result: str) -> ValkeyLead:
        """Keep a lead until it is over, in the background."""
        self._telemetry.count("leads", result=result)
        task = asyncio.create_task(self._held_on(name, lead))
        self._held.add(task)
        task.add_done_callback(self._held.discard)
        return lead

    async def _held_on(self, name: str, lead: ValkeyLead) -> None:
        try:
            await self._renewing(name, lead, lead.over.wait())
            if lead.kept is not None:
                await self._renewing(name, lead, lead.kept())
        finally:
            with suppress(Away):
                await self._link.run(_END, name, lead.token)

    async def _renewing(self, name: str, lead: ValkeyLead, until: Awaitable[object]) -> None:
        """Renew a lead until something is done."""
        done = asyncio.ensure_future(until)
        try:
            while not (await asyncio.wait((done,), timeout=self._lead_s / 3))[0]:
                with suppress(Away):
                    await self._link.run(_RENEW, name, lead.token, int(self._lead_s * 1000))
        finally:
            done.cancel()

    async def _ended(self, name: str, deadline: float, waits: Callable[[], None]) -> bool:
        """Wait until another node's lead has ended; False: there is no time or no word of it."""
        if self._waits >= _MOST_WAITS:
            return False
        waits()
        self._waits += 1
        try:
            return await self._looked(name, deadline)
        except Away:
            return False
        finally:
            self._waits -= 1

    async def _looked(self, name: str, deadline: float) -> bool:
        pause_s = _FIRST_LOOK_S
        while (left_s := deadline - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(left_s, pause_s * random.uniform(0.75, 1.25)))  # noqa: S311 - not a secret
            pause_s = min(_LAST_LOOK_S, pause_s * _LONGER)
            if not await self._link.call("EXISTS", name):
                return True
        return False

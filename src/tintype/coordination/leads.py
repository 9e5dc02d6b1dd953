"""Leads: which of several nodes makes a result. The others wait until it has, and then look at what they share.

A lead is a key that runs out unless it is renewed, and that only who set it can renew and delete. It says in which lane its
holder works: who comes in a higher one takes it over while that work waits for its turn, as within one node. It is advice: a
node that cannot tell makes the result itself, so at worst every node makes it once.
"""

from __future__ import annotations

import asyncio
import random
import secrets
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Self

from tintype.admission.asker import Lane
from tintype.coordination.link import Away, Link, Script
from tintype.ports import Clock, Telemetry

# A lead's value is one digit, the lane that those who wait are not above, and its token.
_TAKE = Script("""
if redis.call('SET', KEYS[1], ARGV[1]..ARGV[2], 'NX', 'PX', ARGV[3]) then return 1 end
if string.sub(redis.call('GET', KEYS[1]), 1, 1) <= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1]..ARGV[2], 'PX', ARGV[3])
return 1""")
_OWN = "if string.sub(redis.call('GET', KEYS[1]) or '', 2) ~= ARGV[1] then return 0 end "
_RENEW = Script(_OWN + "redis.call('SET', KEYS[1], ARGV[2]..ARGV[1], 'PX', ARGV[3]) return 1")
_END = Script(_OWN + "return redis.call('DEL', KEYS[1])")

# Between two looks whether a lead has ended: soon at first, as most renders take some ten milliseconds. Seconds.
_FIRST_LOOK_S, _LAST_LOOK_S, _LONGER = 0.01, 0.2, 1.5
# Results that one node waits for at once, each with five looks a second. What comes on top is not waited for.
_MOST_WAITS = 100


class ValkeyLead:
    """The `Lead` port: `over` when what it is for was made or has failed. `changed` when its lane has, or it is over."""

    def __init__(self, lane: Lane) -> None:
        self.lane, self.token = lane, secrets.token_hex(8)
        self.over, self.changed = asyncio.Event(), asyncio.Event()
        self.kept: Callable[[], Awaitable[None]] | None = None

    def began(self) -> None:
        if self.lane is not Lane.INTERACTIVE:
            self.lane = Lane.INTERACTIVE
            self.changed.set()

    def end_after(self, kept: Callable[[], Awaitable[None]]) -> None:
        self.kept = kept

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.over.set()
        self.changed.set()


class ValkeyLeads:
    """The `Leads` port. `lead_s`: how long a lead lasts that is not renewed."""

    def __init__(self, link: Link, lead_s: float, clock: Clock, telemetry: Telemetry) -> None:
        self._link, self._lead_s = link, lead_s
        self._clock, self._telemetry = clock, telemetry
        self._held: set[asyncio.Task[None]] = set()
        self._waits = 0

    async def lead(self, key: str, lane: Lane, deadline: float, waits: Callable[[], None]) -> ValkeyLead | None:
        name, lead = self._link.key("lead", key), ValkeyLead(lane)
        try:
            led = await self._link.run(_TAKE, name, int(lane), lead.token, int(self._lead_s * 1000))
        except Away:  # it may be set all the same
            return self._hold(name, lead, "alone")
        except asyncio.CancelledError:
            with self._hold(name, lead, "led"):
                raise
        if led:
            return self._hold(name, lead, "led")
        if await self._ended(name, lane, deadline, waits):
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
            await self._renewing(name, lead, lead.changed.wait())
            if not lead.over.is_set():
                await self._renew(name, lead)
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
                await self._renew(name, lead)
        finally:
            done.cancel()

    async def _renew(self, name: str, lead: ValkeyLead) -> None:
        with suppress(Away):
            await self._link.run(_RENEW, name, lead.token, int(lead.lane), int(self._lead_s * 1000))

    async def _ended(self, name: str, lane: Lane, deadline: float, waits: Callable[[], None]) -> bool:
        """Wait until another node's lead has ended or can be taken over; False: there is no time or no word of it."""
        if self._waits >= _MOST_WAITS:
            return False
        waits()
        self._waits += 1
        try:
            return await self._looked(name, lane, deadline)
        except Away:
            return False
        finally:
            self._waits -= 1

    async def _looked(self, name: str, lane: Lane, deadline: float) -> bool:
        pause_s = _FIRST_LOOK_S
        while (left_s := deadline - self._clock.monotonic()) > 0:
            await asyncio.sleep(min(left_s, pause_s * random.uniform(0.75, 1.25)))  # noqa: S311 - not a secret
            pause_s = min(_LAST_LOOK_S, pause_s * _LONGER)
            held: bytes | None = await self._link.call("GET", name)
            if held is None or held[:1] > b"%d" % lane:
                return True
        return False

"""Leasing: spending of accounts that nodes share, from leases that are fetched ahead and behind the requests' backs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tintype.admission.quota.lease import Purse
from tintype.admission.quota.quotas import Claim, Holder, Verdict, policies_of
from tintype.core.quota import Allowance
from tintype.ports import Accounts, Clock

# What a configuration names: clients are too many, and mostly come back to the same node.
_SHARED = (Holder.TENANT, Holder.KEY)
# Between two looks at what is held for nothing. Seconds.
_TEND_S = 1.0


class Leasing:
    """What this node holds of shared accounts. See `admission.lease` for what bounds it.

    Only work that what is held does not cover waits for Valkey, along with all others that wait for the same account; how
    long that may take is for the `Accounts` to bound.
    """

    def __init__(self, accounts: Accounts, clock: Clock) -> None:
        self._accounts = accounts
        self._clock = clock
        self._purses: dict[Claim, Purse] = {}
        self._asks: dict[Claim, asyncio.Task[bool]] = {}
        self._tending: asyncio.Task[None] | None = None

    async def spend(self, claims: Iterable[Claim], ms: float) -> Verdict:
        """Charge all claims whose accounts are shared, unless one refuses it. Without word of them, nobody refuses."""
        charged: list[Claim] = []
        lacking: list[Claim] = []
        told: list[Allowance] = []
        try:
            for claim in (one for one in claims if one.holder in _SHARED):
                refusal = await self._take(claim, ms)
                (lacking if refusal else charged).append(claim)
                told += () if claim.quota.dark else refusal
        except BaseException:
            self.give_back(charged, ms)
            raise
        verdict = Verdict(tuple(charged), tuple(lacking), tuple(told))
        if verdict.allowed:
            return verdict
        self.give_back(charged, ms)
        return replace(verdict, charged=())

    def give_back(self, claims: Sequence[Claim], ms: float) -> None:
        """Take a charge back whose work was not done."""
        for claim in claims:
            if claim in self._purses:
                self._purses[claim].put_back(ms)

    async def close(self) -> None:
        """Give back what is held."""
        tasks = [*self._asks.values(), *([self._tending] if self._tending else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for claim, purse in self._purses.items():
            await self._give_back(claim, purse, purse.held_ms)

    async def _take(self, claim: Claim, ms: float) -> tuple[Allowance, ...]:
        """Spend of a claim's account; returns what it leaves if that is not enough."""
        purse = self._purse(claim)
        while not purse.take(ms, self._clock.monotonic()):
            refusal = purse.refusal(ms, self._clock.monotonic())
            if refusal:
                return refusal
            purse.needs.append(ms)
            try:
                ask = self._ask(claim, purse)
                await asyncio.wait((ask,))
            finally:
                purse.needs.remove(ms)
            if ask.cancelled() or not ask.result():
                return ()
        if purse.is_low(self._clock.monotonic()):
            self._ask(claim, purse)
        return ()

    def _ask(self, claim: Claim, purse: Purse) -> asyncio.Task[bool]:
        """Return the question under way, or begin one; its answer is in the purse, unless there was none."""
        ask = self._asks.get(claim)
        if ask is None:
            ask = self._asks[claim] = asyncio.create_task(self._asked(claim, purse))
            ask.add_done_callback(lambda _: self._asks.pop(claim))
        return ask

    async def _asked(self, claim: Claim, purse: Purse) -> bool:
        need_ms, extra_ms = purse.wanted(self._clock.monotonic())
        if not need_ms and not extra_ms:
            return True
        leased = await self._accounts.lease(_name(claim), purse.policies, need_ms, extra_ms)
        if leased is not None:
            purse.granted(leased, need_ms, self._clock.monotonic())
        return leased is not None

    def _purse(self, claim: Claim) -> Purse:
        if claim not in self._purses:
            self._purses[claim] = Purse(policies_of(claim.quota, claim.holder), self._clock.monotonic())
        if self._tending is None or self._tending.done():
            self._tending = asyncio.create_task(self._tend())
        return self._purses[claim]

    async def _tend(self) -> None:
        """Give back what is held for nothing, until nothing is held."""
        while self._purses:
            await asyncio.sleep(_TEND_S)
            for claim, purse in list(self._purses.items()):
                now = self._clock.monotonic()
                if purse.is_idle(now) and claim not in self._asks:
                    del self._purses[claim]
                await self._give_back(claim, purse, purse.surplus(now))

    async def _give_back(self, claim: Claim, purse: Purse, ms: float) -> None:
        if ms > 0:
            await self._accounts.give_back(_name(claim), purse.policies, ms)


def _name(claim: Claim) -> str:
    return f"{claim.tenant}:{claim.holder}:{claim.name}"

"""Leases: what one node holds of an account that nodes share, so that it need not ask for each piece of work.

What is leased is charged to the shared account at once, and spent here later. So within any time all nodes together spend at
most what one account would have allowed in it, and what they held when it began: **one lease per node** over, a lease being
at most a sixteenth of the tightest quota, or what those who are waiting for it want, if that is more. What a node that dies
held is lost to its tenant until it is paid off. While nodes cannot ask, each has the whole quota to itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tintype.admission.quota.gcra import Account, Policy, spend
from tintype.core.quota import Allowance

# Leased ahead: what was spent in about the last second, but no more than this part of the tightest quota.
_AHEAD_S, _PARTS = 1.0, 16
# What nothing was taken from for so long is given back.
_IDLE_S = 5.0
# After a refusal, nobody asks again for as much before that.
_CALM_S = 0.05
# What is asked for is told in millionths of a millisecond. A need that was rounded down would be met by less than it, which
# is what a refusal is.
_EXACT = 1e6


@dataclass(frozen=True, slots=True)
class Leased:
    """What was charged to a shared account, in ms (0 = refused), and what it owes now, by policy."""

    ms: float
    owed_ms: Mapping[str, float]


class Purse:
    """What a node holds of one account.

    Attributes:
        held_ms: leased and not spent.
        needs: what those want who wait for the next lease, first come first.
    """

    def __init__(self, policies: Sequence[Policy], now: float) -> None:
        self.policies = policies
        self.held_ms = 0.0
        self.needs: list[float] = []
        self._spent_ms = 0.0  # lately: what is further back counts less
        self._spent_at = now
        self._seen = Account(now)
        self._refused_ms, self._calm_until = math.inf, now

    @property
    def most_ms(self) -> float:
        """What is held at most, but for what is wanted now."""
        return min(policy.quota_ms for policy in self.policies) / _PARTS

    def take(self, ms: float, now: float) -> bool:
        """Spend of what is held, if that is enough."""
        if ms > self.held_ms:
            return False
        self.held_ms -= ms
        self._spent_ms = self._lately_ms(now) + ms
        self._spent_at = now
        return True

    def put_back(self, ms: float) -> None:
        """Take back what was spent on work that was not done."""
        self.held_ms += ms

    def refusal(self, ms: float, now: float) -> tuple[Allowance, ...]:
        """Return what the account leaves, as it was last seen, if with what is held that is too little; else nothing: ask."""
        need_ms = max(0.0, ms - self.held_ms)
        decision = spend(self._seen, self.policies, need_ms, now)
        calm_s = self._calm_until - now if need_ms >= self._refused_ms else 0.0
        if decision.allowed and calm_s <= 0:
            return ()
        return tuple(replace(one, wait_s=max(one.wait_s, calm_s)) for one in decision.allowances)

    def wanted(self, now: float) -> tuple[float, float]:
        """Return what to ask for: what the first who waits needs beside what is held, and what is welcome beyond.

        Both may be 0 for who does not ask at once: what seemed low is enough a little later. Then there is nothing to ask.
        """
        first, *others = self.needs or [0.0]
        return _rounded_up(first - self.held_ms), _rounded_up(sum(others) + self._short_ms(now))

    def is_low(self, now: float) -> bool:
        """Return whether it is time to lease ahead."""
        return self._short_ms(now) > 0 and not self.refusal(0.0, now)

    def granted(self, leased: Leased, need_ms: float, now: float) -> None:
        """Take in the answer to what was wanted."""
        self.held_ms += leased.ms
        self._seen = Account(now, leased.owed_ms)
        refused = leased.ms < need_ms or not leased.ms
        self._refused_ms, self._calm_until = (need_ms, now + _CALM_S) if refused else (math.inf, now)

    def surplus(self, now: float) -> float:
        """Return what is to be given back, and hold it no longer."""
        if self.needs:
            return 0.0
        keep_ms = 0.0 if self.is_idle(now) else min(self.held_ms, self.most_ms)
        surplus_ms, self.held_ms = self.held_ms - keep_ms, keep_ms
        return surplus_ms

    def is_idle(self, now: float) -> bool:
        return not self.needs and now - self._spent_at >= _IDLE_S

    def _short_ms(self, now: float) -> float:
        """Return what is missing of a lease, once half of it is."""
        lease_ms = min(self._lately_ms(now), self.most_ms)
        return lease_ms - self.held_ms if self.held_ms < lease_ms / 2 else 0.0

    def _lately_ms(self, now: float) -> float:
        return self._spent_ms * math.exp(-max(0.0, now - self._spent_at) / _AHEAD_S)


def _rounded_up(ms: float) -> float:
    return max(0, math.ceil(ms * _EXACT)) / _EXACT

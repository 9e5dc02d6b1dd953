"""Rates: whether an account may spend now, or when, by the generic cell rate algorithm (ITU-T I.371) over costs.

In its form of a leaky bucket: what is spent is owed, debts are paid off at the policy's rate, and one that is within the
quota is fine. An account is a value; deciding makes another one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tintype.core.quota import Allowance

# Of floating point: what is owed is off by less than this. Milliseconds.
_CLOSE_MS = 1e-3


@dataclass(frozen=True, slots=True)
class Policy:
    """At most `quota_ms` at once, and that much again over each `window_s`. Names differ within an account."""

    name: str
    quota_ms: int
    window_s: int

    @property
    def ms_per_s(self) -> float:
        return self.quota_ms / self.window_s


@dataclass(frozen=True, slots=True)
class Account:
    """What was owed at a time (monotonic, in seconds), by policy; one that is not named is owed nothing."""

    at: float = 0.0
    owed_ms: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Decision:
    """The account afterwards, what each policy left before, and how long it has the work wait: 0 if it is allowed."""

    account: Account
    allowances: tuple[Allowance, ...]

    @property
    def allowed(self) -> bool:
        return not self.wait_s

    @property
    def wait_s(self) -> float:
        return max((one.wait_s for one in self.allowances), default=0.0)


def spend(account: Account, policies: Sequence[Policy], ms: float, now: float) -> Decision:
    """Charge work to all policies if all allow it, and to none otherwise.

    What costs more than a whole quota is allowed while nothing is owed, so that it is not refused for ever.
    """
    before = _paid_off(account, policies, now)
    allowances = tuple(_allowance(one, before.owed_ms[one.name], ms) for one in policies)
    if any(one.wait_s for one in allowances):
        return Decision(before, allowances)
    return Decision(Account(before.at, {name: owed + ms for name, owed in before.owed_ms.items()}), allowances)


def give_back(account: Account, ms: float) -> Account:
    """Return the account without a charge whose work was not done; what was paid off meanwhile stays paid."""
    return Account(account.at, {name: max(0.0, owed - ms) for name, owed in account.owed_ms.items()})


def _paid_off(account: Account, policies: Sequence[Policy], now: float) -> Account:
    """Return the account as it is now, by these policies: others are forgotten, so that settings can change."""
    passed_s = max(0.0, now - account.at)
    owed = {one.name: max(0.0, account.owed_ms.get(one.name, 0.0) - passed_s * one.ms_per_s) for one in policies}
    return Account(max(now, account.at), owed)


def _allowance(policy: Policy, owed_ms: float, ms: float) -> Allowance:
    over_ms = owed_ms - max(0.0, policy.quota_ms - ms)
    wait_s = over_ms / policy.ms_per_s if over_ms > _CLOSE_MS else 0.0
    left_ms = max(0.0, policy.quota_ms - owed_ms)
    return Allowance(policy.name, policy.quota_ms, policy.window_s, left_ms, wait_s)

"""Quotas: the accounts of tenants, which what they have made is charged to."""

from __future__ import annotations

from functools import lru_cache

from tintype.admission.gcra import Account, Decision, Policy, give_back, spend
from tintype.core.quota import QuotaSettings

# Accounts kept; whose was not used for longest begins anew.
_MOST = 10_000
_DAY_S = 86_400


@lru_cache(1024)
def policies_of(quota: QuotaSettings) -> tuple[Policy, ...]:
    """Return what a tenant's settings ask for; none = no limit."""
    second = Policy("second", quota.ms_per_s * quota.burst_s, quota.burst_s)
    day = Policy("day", quota.ms_per_day, _DAY_S)
    return tuple(policy for policy in (second, day) if policy.quota_ms)


class Quotas:
    """Accounts by name, of one node. `most`: how many are kept."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._accounts: dict[str, Account] = {}  # used last is last

    def __len__(self) -> int:
        return len(self._accounts)

    def spend(self, name: str, quota: QuotaSettings, ms: float, now: float) -> Decision:
        """Charge an account, if its quota allows it."""
        policies = policies_of(quota)
        decision = spend(self._accounts.pop(name, Account(now)), policies, ms, now)
        if policies:
            self._accounts[name] = decision.account
        if len(self._accounts) > self._most:
            del self._accounts[next(iter(self._accounts))]
        return decision

    def give_back(self, name: str, ms: float) -> None:
        """Take a charge back whose work was not done."""
        if name in self._accounts:
            self._accounts[name] = give_back(self._accounts[name], ms)

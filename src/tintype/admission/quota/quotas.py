"""Quotas: the accounts of tenants, and of their keys and clients, which what they have made is charged to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache

from tintype.admission.quota.gcra import Account, Decision, Policy, give_back, spend
from tintype.core.quota import Allowance, QuotaSettings

# Accounts kept of each kind of holder; whose was not used for longest begins anew.
_MOST = 10_000
_DAY_S = 86_400


class Holder(StrEnum):
    """Whose an account is."""

    TENANT = "tenant"
    KEY = "key"  # one that a tenant's URLs are signed with
    CLIENT = "client"  # an address that asks a tenant


@dataclass(frozen=True, slots=True)
class Claim:
    """An account that work is to be charged to: of a tenant itself (`name` is ""), or of a key or client of it."""

    holder: Holder
    tenant: str
    name: str
    quota: QuotaSettings

    @property
    def setting(self) -> str:
        """The table of settings that has the quota."""
        kind = "quota" if self.holder is Holder.TENANT else f"{self.holder}_quota"
        return f"tenants.{self.tenant}.{kind}"


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the claims of one piece of work.

    Attributes:
        charged: to be given back if the work is not done.
        lacking: those without room for it; it is refused unless their quotas are all dark.
        told: of the quotas that are not dark, what each policy leaves, and how long it has the work wait.
    """

    charged: tuple[Claim, ...]
    lacking: tuple[Claim, ...]
    told: tuple[Allowance, ...]

    @property
    def allowed(self) -> bool:
        return all(claim.quota.dark for claim in self.lacking)


@lru_cache(1024)
def policies_of(quota: QuotaSettings, holder: Holder = Holder.TENANT) -> tuple[Policy, ...]:
    """Return what settings ask for; none = no limit. The policies of one answer have different names."""
    prefix = "" if holder is Holder.TENANT else f"{holder}-"
    second = Policy(f"{prefix}second", quota.ms_per_s * quota.burst_s, quota.burst_s)
    day = Policy(f"{prefix}day", quota.ms_per_day, _DAY_S)
    return tuple(policy for policy in (second, day) if policy.quota_ms)


class Quotas:
    """Accounts of one node. `most`: how many are kept of each kind of holder, so that clients push no tenant out."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        # By tenant and name; used last is last.
        self._accounts: dict[Holder, dict[tuple[str, str], Account]] = {holder: {} for holder in Holder}

    def __len__(self) -> int:
        return sum(map(len, self._accounts.values()))

    def spend(self, claims: Sequence[Claim], ms: float, now: float) -> Verdict:
        """Charge all accounts that have room for the work, unless one that has none refuses it."""
        decided = [(claim, self._decided(claim, ms, now)) for claim in claims]
        verdict = _verdict(decided)
        if not verdict.allowed:
            return replace(verdict, charged=())
        for claim, decision in decided:
            self._accounts[claim.holder][claim.tenant, claim.name] = decision.account
        return verdict

    def weigh(self, claims: Sequence[Claim], ms: float, now: float) -> Verdict:
        """Return what would become of the claims of some work, and charge nothing."""
        return replace(_verdict([(claim, self._decided(claim, ms, now)) for claim in claims]), charged=())

    def give_back(self, claims: Sequence[Claim], ms: float) -> None:
        """Take a charge back whose work was not done."""
        for claim in claims:
            accounts, name = self._accounts[claim.holder], (claim.tenant, claim.name)
            if name in accounts:
                accounts[name] = give_back(accounts[name], ms)

    def _decided(self, claim: Claim, ms: float, now: float) -> Decision:
        """Decide for one account, and have it be the one used last."""
        accounts, name = self._accounts[claim.holder], (claim.tenant, claim.name)
        account = accounts.pop(name, Account(now))
        accounts[name] = account
        if len(accounts) > self._most:
            del accounts[next(iter(accounts))]
        return spend(account, policies_of(claim.quota, claim.holder), ms, now)


def _verdict(decided: Sequence[tuple[Claim, Decision]]) -> Verdict:
    fitting = tuple(claim for claim, decision in decided if decision.allowed)
    lacking = tuple(claim for claim, decision in decided if not decision.allowed)
    told = tuple(one for claim, decision in decided if not claim.quota.dark for one in decision.allowances)
    return Verdict(fitting, lacking, told)

"""Spending: what is made for a tenant is charged to its quota, and to those of the key and the client, or refused."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

from tintype.admission.quota.quotas import Claim, Holder, Quotas, Verdict, policies_of
from tintype.core.errors import QuotaExceeded
from tintype.ports import Clock, Telemetry
from tintype.services.leasing import Leasing
from tintype.services.look import View, Want


class _Charged(NamedTuple):
    """Claims that were charged: on this node, and in what it holds of accounts that nodes share."""

    here: tuple[Claim, ...] = ()
    shared: tuple[Claim, ...] = ()


class Spending:
    """Charges what views are predicted to take, to this node's own accounts and then, with `leasing`, to those that nodes share.

    The price of a result is that of making it from the original, alone: not for what others asked before does it change.
    """

    def __init__(self, quotas: Quotas, leasing: Leasing | None, clock: Clock, telemetry: Telemetry) -> None:
        self._quotas = quotas
        self._leasing = leasing
        self._clock = clock
        self._telemetry = telemetry

    @asynccontextmanager
    async def on(self, view: View, began: Callable[[], None]) -> AsyncIterator[Callable[[], None]]:
        """Charge a view that is to be made, but for those that nobody waits for and those that are not rendered.

        Yields what is to be called instead of `began` once a worker has it; without that call, the charge is taken back.

        Raises:
            QuotaExceeded: the tenant, the key or the client has spent what it may.
        """
        ms = _price_ms(view)
        claims = _claims(view.want) if ms else []
        owing = await self._charge(claims, ms) if claims else _Charged()

        def done() -> None:
            nonlocal owing
            owing = _Charged()
            began()

        try:
            yield done
        finally:
            self._give_back(owing, ms)

    async def _charge(self, claims: list[Claim], ms: float) -> _Charged:
        """Charge claims; returns those that were."""
        here = self._quotas.spend(claims, ms, self._clock.monotonic())
        self._heed(here, ms)
        if self._leasing is None:
            return _Charged(here.charged)
        try:
            shared = await self._leasing.spend(here.charged, ms)
            self._heed(shared, ms)
        except BaseException:
            self._quotas.give_back(here.charged, ms)
            raise
        return _Charged(here.charged, shared.charged)

    def weighed(self, view: View) -> Verdict:
        """Return what quotas of this node would say to the making of a view, and charge nothing."""
        return self._quotas.weigh(_claims(view.want), _price_ms(view), self._clock.monotonic())

    def _give_back(self, owing: _Charged, ms: float) -> None:
        self._quotas.give_back(owing.here, ms)
        if self._leasing is not None:
            self._leasing.give_back(owing.shared, ms)

    def _heed(self, verdict: Verdict, ms: float) -> None:
        """Count who lacks what, and refuse what is to be refused."""
        for claim in verdict.lacking:
            mode = "dark" if claim.quota.dark else "refused"
            self._telemetry.count("quota_refusals", tenant=claim.tenant, scope=claim.holder.value, mode=mode)
        if not verdict.allowed:
            raise _refused(verdict, ms)


def _claims(want: Want) -> list[Claim]:
    """Return the claims of those who have a limit; who is not known by name has none of its own."""
    tenant = want.tenant
    claims = [
        Claim(Holder.TENANT, tenant.name, "", tenant.quota),
        *([Claim(Holder.KEY, tenant.name, want.asked.key, tenant.key_quota)] if want.asked.key else []),
        *([Claim(Holder.CLIENT, tenant.name, want.client, tenant.client_quota)] if want.client else []),
    ]
    return [claim for claim in claims if policies_of(claim.quota)]


def _price_ms(view: View) -> float:
    info = view.binding.info
    untouched = view.plan.passthrough and info is not None and not info.vector
    return 0.0 if view.behind or untouched else view.plan.cost.cpu_ms


def _refused(verdict: Verdict, ms: float) -> QuotaExceeded:
    least = max(verdict.told, key=lambda one: one.wait_s)
    settings = ", ".join(claim.setting for claim in verdict.lacking if not claim.quota.dark)
    why = (
        f"this takes {ms:.0f} ms of a worker, and {least.left_ms:.0f} are left of {least.quota_ms} per {least.window_s} s"
        f" ({settings})"
    )
    return QuotaExceeded(why, least.wait_s, verdict.told)

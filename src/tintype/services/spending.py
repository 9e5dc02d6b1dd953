"""Spending: what is made for a tenant is charged to its quota, or refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tintype.admission.gcra import Decision
from tintype.admission.quotas import Quotas
from tintype.core.errors import QuotaExceeded
from tintype.core.tenant import Tenant
from tintype.ports import Clock, Telemetry
from tintype.services.look import View


class Spending:
    """Charges what views are predicted to take.

    The price of a result is that of making it from the original, alone: not for what others asked before does it change.
    """

    def __init__(self, quotas: Quotas, clock: Clock, telemetry: Telemetry) -> None:
        self._quotas = quotas
        self._clock = clock
        self._telemetry = telemetry

    @contextmanager
    def on(self, view: View, began: Callable[[], None]) -> Iterator[Callable[[], None]]:
        """Charge a view that is to be made, but for those that nobody waits for and those that are not rendered.

        Yields what is to be called instead of `began` once a worker has it; without that call, the charge is taken back.

        Raises:
            QuotaExceeded: the tenant has spent what it may.
        """
        tenant, ms = view.want.tenant, _price_ms(view)
        owed = bool(ms) and self._charge(tenant, ms)

        def done() -> None:
            nonlocal owed
            owed = False
            began()

        try:
            yield done
        finally:
            if owed:
                self._quotas.give_back(tenant.name, ms)

    def _charge(self, tenant: Tenant, ms: float) -> bool:
        """Charge a tenant; returns whether it was."""
        decision = self._quotas.spend(tenant.name, tenant.quota, ms, self._clock.monotonic())
        if decision.allowed:
            return True
        self._telemetry.count("quota_refusals", tenant=tenant.name, mode="dark" if tenant.quota.dark else "refused")
        if tenant.quota.dark:
            return False
        raise _refused(tenant, decision, ms)


def _price_ms(view: View) -> float:
    info = view.binding.info
    untouched = view.plan.passthrough and info is not None and not info.vector
    return 0.0 if view.behind or untouched else view.plan.cost.cpu_ms


def _refused(tenant: Tenant, decision: Decision, ms: float) -> QuotaExceeded:
    least = max(decision.refusal, key=lambda one: one.wait_s)
    why = (
        f"this takes {ms:.0f} ms of a worker, and {least.left_ms:.0f} are left of {least.quota_ms} per {least.window_s} s"
        f" (tenants.{tenant.name}.quota)"
    )
    return QuotaExceeded(why, decision.wait_s, decision.refusal)

"""Putting coordination together as the settings say."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tintype.coordination.alone import AloneLeads
from tintype.coordination.settings import CoordinationSettings
from tintype.ports import Accounts, Clock, Leads, Telemetry


async def _nothing() -> None:
    """Start or end a node that is alone."""


@dataclass(frozen=True, slots=True)
class Coordination:
    """What nodes agree on. `start` before serving, `close` once nothing is made and nothing put any more.

    `accounts` are those that they share; None = each has its own.
    """

    leads: Leads
    accounts: Accounts | None = None
    start: Callable[[], Awaitable[None]] = _nothing
    close: Callable[[], Awaitable[None]] = _nothing


def open_coordination(
    settings: CoordinationSettings, *, shared: bool, clock: Clock, telemetry: Telemetry
) -> Coordination:
    """Return what nodes agree on; without a Valkey, each is alone. `shared`: they share results too.

    Raises:
        Misconfigured: the URL is no Valkey's.
    """
    if not settings.valkey_url:
        telemetry.gauge("coordination_up", 1.0)  # nothing that it should have is away
        return Coordination(AloneLeads())
    from tintype.coordination.accounts import ValkeyAccounts  # noqa: PLC0415
    from tintype.coordination.leads import ValkeyLeads  # noqa: PLC0415 - the client is for those who use it
    from tintype.coordination.link import Link  # noqa: PLC0415

    link = Link(settings, clock, telemetry)
    leads = ValkeyLeads(link, settings.lead_s, clock, telemetry)

    async def close() -> None:
        await leads.close()
        await link.close()

    return Coordination(leads if shared else AloneLeads(), ValkeyAccounts(link), link.start, close)

"""Turns: whose turn it is, in fair shares of lanes, of tenants and of clients, and what comes before a newcomer by that order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping

from tintype.admission.asker import Asker, Lane, Whose
from tintype.admission.order.fair import Fair

# Shares of the lanes: what is left to the lower ones while the higher have more than enough to do.
WEIGHTS = {Lane.INTERACTIVE: 100.0, Lane.RENEWAL: 10.0, Lane.PREFETCH: 2.0, Lane.JOB: 1.0}
_NAMES = {lane: lane.name for lane in Lane}

# So much work of others goes first, for what a tenant cost beside its own; who stops flooding is soon as welcome as any. Seconds.
_MOST_OWED_S = 1.0


class Turns:
    """Fair shares among those who want the same; see `fair`. What it costs is charged when it begins."""

    def __init__(self) -> None:
        self._lanes, self._tenants, self._clients = Fair(), Fair(), Fair()

    def first(self, waiting: Collection[Whose]) -> Whose:
        """Return whose turn it is; of equal ones the first, but for lanes. There must be one."""
        lane = self._lanes.first(_NAMES[one] for one in sorted({whose.lane for whose in waiting}))
        waiting = [whose for whose in waiting if _NAMES[whose.lane] == lane]
        tenant = self._tenants.first(whose.tenant for whose in waiting)
        waiting = [whose for whose in waiting if whose.tenant == tenant]
        client = self._clients.first(_client(whose) for whose in waiting)
        return next(whose for whose in waiting if _client(whose) == client)

    def served(self, asker: Asker, cost_s: float) -> None:
        """Charge who asked for what begins."""
        self._lanes.served(_NAMES[asker.lane], cost_s, WEIGHTS[asker.lane])
        self._tenants.served(asker.tenant, cost_s, asker.weight)
        self._clients.served(_client(asker), cost_s, 1.0)

    def owes(self, whose: Whose, cost_s: float) -> None:
        """Charge a tenant and its client for what they cost beside their work, in any lane."""
        self._tenants.owes(whose.tenant, cost_s, _MOST_OWED_S)
        self._clients.owes(_client(whose), cost_s, _MOST_OWED_S)


def shared(waiting: Iterable[tuple[Whose, float]], weights: Mapping[str, float], asker: Asker, own: float) -> float:
    """Return how much of all that waits is done until so much of a client's own is: the fluid model of fair queueing.

    Of what other clients and tenants want, it is what their shares give them meanwhile. `waiting`: in no lower lane.
    """
    clients: dict[str, float] = defaultdict(float)
    others: dict[str, float] = defaultdict(float)
    for whose, amount in waiting:
        if whose.tenant != asker.tenant:
            others[whose.tenant] += amount
        elif whose.client != asker.client:
            clients[whose.client] += amount
    own += sum(min(theirs, own) for theirs in clients.values())
    return own + sum(min(theirs, own * weights[name] / asker.weight) for name, theirs in others.items())


def _client(one: Whose | Asker) -> str:
    return f"{one.tenant}\0{one.client}"

"""Refused unread: in a flood, most requests need not be read to be refused as those like them were.

Whose a request is, which client's, and how urgent, can be told without reading it. Of requests alike in that, the gate weighs
one now and then and refuses the others. While it weighs none, and all that were read have been refused in a long row, the rest
are refused unread but for one in sixteen, whatever that asks for. When such a one is let through, as it wants nothing that is
short, all are read until there is a row again. So where of a flood some are to be let through, at most 0.6 % of it is refused in
error; where more than 3 % are, next to none. Who is never refused otherwise is never refused unread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tintype.admission.asker import Asker, Lane
from tintype.admission.gate import Gate
from tintype.admission.remembered import remember
from tintype.admission.weighing.refusals import Next
from tintype.core.errors import Shed

# Whose: a tenant's client, or with None whichever of its clients, in a lane.
_Alike: TypeAlias = tuple[str, str | None, Lane]

# So many that were read one after another must have been refused; then one of so many is read.
_ROW, _ONE_OF = 256, 16
# So long what one that was read was told is good for others, and a row goes on. Seconds.
_GOOD_S = 0.2
# When one is to be weighed, what comes first may be of another kind. Until one was, one is read in this part of the time in
# which one is let in.
_OFTENER = 0.25


@dataclass(slots=True)
class _Lately:
    """What became of those alike that were read. Times of Clock.monotonic.

    Attributes:
        shed: what the last was refused with.
        at: when the last was read.
        weighed_at: when the gate weighs the next.
        due: when the next is read, a tenth of a second after `at` at the latest: longer none alike stays unweighed (Refusals).
        row: so many were refused, one after another.
        since: so many came since one was read that need not be read; `unread`: so many of them were refused unread.
        in_turn: the gate may weigh the one that is read now; if it does not, it is let through only for what it wants.
    """

    shed: Shed
    at: float
    weighed_at: float = 0.0
    due: float = 0.0
    row: int = 0
    since: int = 0
    unread: int = 0
    in_turn: bool = True


class Unread:
    """Refuses unread; called by one thread at a time."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._lately: dict[_Alike, _Lately] = {}

    def refused(self, tenant: str, client: str, lane: Lane, now: float) -> Shed | None:
        """Return what a request is refused with unread. None: it is to be read, and `read` told what became of it."""
        lately = self._lately.get((tenant, client, lane)) or self._lately.get((tenant, None, lane))
        if lately is None:
            return None
        lately.in_turn = now >= lately.weighed_at
        if now >= lately.due or lately.row < _ROW:
            return None
        lately.since += 1
        if lately.since % _ONE_OF == 0:
            return None
        lately.unread += 1
        return lately.shed

    def read(self, asker: Asker, shed: Shed | None, now: float) -> None:
        """Note that one that was read was refused, or let through (None)."""
        if not self._gate.shut(now):
            return
        alike: _Alike = asker.tenant, asker.client, asker.lane
        weighed = self._gate.weighs_next(*alike, now)
        if weighed is None:  # it goes by what all clients of its tenant do
            self._lately.pop(alike, None)
            alike = asker.tenant, None, asker.lane
            weighed = self._gate.weighs_next(*alike, now)
        if weighed is not None:
            self._note(alike, asker, shed, now, weighed)

    def _note(self, alike: _Alike, asker: Asker, shed: Shed | None, now: float, weighed: Next) -> None:
        lately = self._lately.get(alike)
        if lately is None:
            if shed is None:
                return
            lately = _Lately(shed, now)
            remember(self._lately, alike, lately)
        if lately.unread:
            self._gate.owes(asker.whose, lately.unread)
        if now - lately.at > _GOOD_S or (shed is None and not lately.in_turn):
            lately.row = 0
        if shed is not None:
            lately.shed, lately.row = shed, lately.row + 1
        lately.at, lately.since, lately.unread = now, 0, 0
        lately.weighed_at, lately.due = weighed.at, max(weighed.at, now + _OFTENER * weighed.every_s)

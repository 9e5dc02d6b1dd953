"""What was refused a moment ago, for others like it: most of them need not be weighed to be refused as well."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import NamedTuple, TypeAlias

from tintype.admission.asker import Asker, Lane
from tintype.core.errors import Shed

# What is alike: of a tenant's client, or with None of whichever of its clients, in a lane, whether it is heavy, and whether its
# source is there. Heavy work waits for itself; of the rest, none is likelier to be weighed for what it costs: else the dear ones,
# which come more seldom, would have most of the room.
Like: TypeAlias = tuple[str, str | None, Lane, bool, bool]

# How long a refusal is one of a moment ago; longest time in which none like it is weighed. Seconds.
_LATELY_S, _UNWEIGHED_S = 0.5, 0.1
_REMEMBERED = 1000
_KINDS = tuple(product((False, True), repeat=2))  # of work: heavy or not, fetched or not


class Next(NamedTuple):
    """When the next is weighed that is like what was refused, and how often one is from then on, in seconds."""

    at: float
    every_s: float


@dataclass(slots=True)
class _Refused:
    shed: Shed
    until: float
    weighed_at: float  # when the next of these is weighed
    every_s: float


class Refusals:
    """Refusals lately. From any thread.

    While there are any, one like them is weighed in every `every_s`: were all weighed that come before one of them has been
    refused, a slow answer would let in a crowd of them.
    """

    def __init__(self) -> None:
        self._until = 0.0
        self._lately: dict[Like, _Refused] = {}

    def any(self, now: float) -> bool:
        """Tell whether anything was refused a moment ago."""
        return now < self._until

    def note(self, like: Like, shed: Shed, now: float, *, excess_s: float, every_s: float) -> None:
        """Note a refusal of what would have waited too long by `excess_s`: until that has passed, there is hardly any room."""
        if len(self._lately) >= _REMEMBERED:
            self._lately = {}
        unweighed_s = min(max(excess_s, every_s), _UNWEIGHED_S)
        self._until = now + _LATELY_S
        self._lately[like] = _Refused(shed, self._until, now + unweighed_s, every_s)

    def of(self, asker: Asker, now: float, *, heavy: bool, fetched: bool, every_s: float) -> Shed | None:
        """Return what others like this were refused with, None = this one is to be weighed."""
        for client in (asker.client, None):
            found = self._lately.get(like(asker, client, heavy=heavy, fetched=fetched))
            if found is None or now >= found.until:
                continue
            if now < found.weighed_at:
                return found.shed
            found.weighed_at, found.every_s = now + every_s, every_s
            return None
        return None

    def next(self, tenant: str, client: str | None, lane: Lane, now: float) -> Next | None:
        """Return when one of those is weighed next, whatever it wants; None: nothing like them was refused lately."""
        found = [self._lately.get((tenant, client, lane, heavy, fetched)) for heavy, fetched in _KINDS]
        lately = [Next(one.weighed_at, one.every_s) for one in found if one is not None and now < one.until]
        return min(lately, default=None)


def like(asker: Asker, client: str | None, *, heavy: bool, fetched: bool) -> Like:
    """Return what work is like."""
    return asker.tenant, client, asker.lane, heavy, fetched

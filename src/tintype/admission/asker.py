"""Who asks: whose share of the node a piece of work is charged to, how urgent it is, and until when it is of use."""

from __future__ import annotations

import math
from enum import IntEnum
from functools import cached_property
from typing import NamedTuple

import msgspec

from tintype.core.pipeline import Pipeline


class Lane(IntEnum):
    """How urgent work is. A lane's work goes before that of the lanes below it, which are left a small share."""

    INTERACTIVE = 0  # somebody looks at a page
    RENEWAL = 1  # what was answered, but older or plainer than it should be
    PREFETCH = 2  # somebody may look at it
    JOB = 3  # nobody waits


class Whose(NamedTuple):
    """Whose share work is charged to."""

    lane: Lane
    tenant: str
    client: str


class Asker(msgspec.Struct, frozen=True, dict=True):  # made for a twentieth of what a frozen data class takes
    """One request's side of it.

    Attributes:
        tenant: its share is `weight`, against those of the tenants that want something at the same time.
        client: within the tenant, clients have equal shares; "" where they are not told apart.
        deadline: of Clock.monotonic, in seconds: after it nobody wants the answer.
        firm: it is the client's own deadline, not a bound of the node: what will hardly be done by it is not begun.
        invested: its source has been fetched for it, with a ticket: to refuse it now would waste that.
        pipeline: what it asks for, where a URL says so.
    """

    tenant: str
    client: str = ""
    lane: Lane = Lane.INTERACTIVE
    weight: float = 1.0
    deadline: float = math.inf
    firm: bool = False
    invested: bool = False
    pipeline: Pipeline | None = None

    @cached_property  # every step of admission asks for it
    def whose(self) -> Whose:
        return Whose(self.lane, self.tenant, self.client)

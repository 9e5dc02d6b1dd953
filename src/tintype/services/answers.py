"""What rendering can answer with."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import msgspec

from tintype.core.binding import Binding
from tintype.core.degrade import Degraded
from tintype.core.entry import Entry
from tintype.core.errors import TintypeError
from tintype.core.plan import Plan
from tintype.ports import Lease


class Timings(msgspec.Struct):
    """What a request takes its time for: seconds by phase, its lane and its plan. Mutable while it runs, like a stopwatch."""

    phases: dict[str, float] = msgspec.field(default_factory=dict)
    # hit, miss, shared (waited for another's render), renewed, private, degraded (another result)
    outcome: str = "miss"
    fetched: bool = False  # the origin was asked
    from_rung: bool = False
    lane: str = ""
    plan: Plan | None = None
    ended: Callable[[str, float], None] | None = None  # hears each phase end

    def add(self, phase: str, seconds: float) -> None:
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds
        if self.ended is not None:
            self.ended(phase, seconds)

    @property
    def kind(self) -> str:
        """How quick an image could be: a hit, made from a rung, cold; other: a hit after a fetch, or what was at hand instead."""
        if self.outcome in ("hit", "degraded"):
            return "other" if self.fetched or self.outcome == "degraded" else "hit"
        return "mezzanine" if self.from_rung else "cold"


class Variant(msgspec.Struct, frozen=True):
    """An image.

    `stale`: its source could not be confirmed in time. `interim`: it stands in for one in a format that takes longer, which is
    being made. `degraded`: it is less than what was asked for, in this. `error`: it is a fallback for this error.
    """

    key: str
    entry: Entry
    binding: Binding
    timings: Timings
    stale: bool = False
    interim: bool = False
    degraded: Degraded | None = None
    error: TintypeError | None = None


class Unchanged(msgspec.Struct, frozen=True):
    """The client already has the result with this key."""

    key: str
    binding: Binding
    timings: Timings
    stale: bool = False


class Raw(msgspec.Struct, frozen=True):
    """The source itself. Whoever takes it closes the lease."""

    lease: Lease
    timings: Timings


Answer: TypeAlias = Variant | Unchanged | Raw

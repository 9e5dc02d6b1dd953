"""A quota: how many milliseconds of a worker somebody may spend, as it is set, and what is left of it, as it is told."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class QuotaSettings:
    """What a tenant, or each key or client of it, may spend: what its misses are predicted to take of a worker.

    On one node; with coordination, a tenant and a key on all nodes together.
    """

    ms_per_s: int = setting(
        0, "Milliseconds of a worker per second that its misses may take; 0 = no limit.", most=10**7
    )
    burst_s: int = setting(
        10, "So many seconds of that may be spent at once, after as long without a miss.", least=1, most=86_400
    )
    ms_per_day: int = setting(
        0, "Milliseconds of a worker per day that its misses may take; 0 = no limit.", most=10**12
    )
    dark: bool = setting(False, "Decide and count what would be refused, but refuse nothing.")


@dataclass(frozen=True, slots=True)
class Allowance:
    """What one policy leaves of its quota: `left_ms` of `quota_ms` per `window_s`; the work asked for fits in `wait_s`."""

    policy: str
    quota_ms: int
    window_s: int
    left_ms: float
    wait_s: float

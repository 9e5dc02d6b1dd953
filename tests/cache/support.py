"""What the cache tests share: entries, a clock that never stands still, telemetry that takes only what is declared."""

from __future__ import annotations

import hashlib
import io
import itertools
import time
from typing import Any

from tintype.core.entry import Entry, EntryFacts, Scope, Selector
from tintype.core.formats import Format
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings


class TickingClock:
    """Each look at the time is a millisecond later than the last; `ahead_s` moves it on."""

    def __init__(self) -> None:
        self._ticks = itertools.count()
        self.ahead_s = 0.0

    def now(self) -> float:
        return 1_800_000_000 + next(self._ticks) / 1000 + self.ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


class Seen(NodeTelemetry):
    """The node's own telemetry, strict, with a way to read it back."""

    def __init__(self) -> None:
        super().__init__(TelemetrySettings(), out=io.StringIO(), strict=True)
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, name: str, /, **facts: Any) -> None:
        self.events.append((name, facts))
        super().event(name, **facts)

    def value(self, metric: str, tier: str) -> float:
        samples = (
            self.registry.get_sample_value(f"tintype_{name}", {"tier": tier}) for name in (f"{metric}_total", metric)
        )
        return next((sample for sample in samples if sample is not None), 0.0)

    def named(self, name: str) -> list[dict[str, Any]]:
        return [facts for known, facts in self.events if known == name]


def make_entry(
    body: bytes = b"body",
    *,
    source: str = "https://example.com/cat.jpg",
    tenant: str = "default",
    tags: tuple[str, ...] = (),
    at: float = 0.0,
) -> Entry:
    facts = EntryFacts(
        tenant=tenant,
        source=source,
        digest=hashlib.sha256(body).hexdigest(),
        format=Format.WEBP,
        width=512,
        height=340,
        source_width=4000,
        source_height=3000,
        source_bytes=3_300_000,
        epoch=3,
        created_at=at,
        tags=tags,
    )
    return Entry(facts=facts, body=body)


def select(scope: Scope, value: str = "", tenant: str = "") -> Selector:
    return Selector(scope=scope, value=value, tenant=tenant)


ALL = select(Scope.ALL)

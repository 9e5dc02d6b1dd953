"""What tests of sources share: an origin, a clock that can be moved, telemetry, and sources over a folder."""

from __future__ import annotations

import io
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.gates import patient
from tests.metrics import total
from tests.sources.origin import Origin
from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.core.binding import Binding
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.ports import Forwarded
from tintype.sources.assemble import open_sources
from tintype.sources.settings import SourceSettings
from tintype.sources.sources import SourceStore
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

PLAIN = Forwarded()


class Clock:
    """The system's clock, moved forward by a test."""

    def __init__(self) -> None:
        self.ahead_s = 0.0

    def now(self) -> float:
        return time.time() + self.ahead_s

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead_s


class Standing(Clock):
    """A clock that only a test moves, for what must not depend on how fast the machine is."""

    def __init__(self) -> None:
        super().__init__()
        self._began = time.monotonic()

    def monotonic(self) -> float:
        return self._began + self.ahead_s


class Lasting:
    stale_while_revalidate_s = 60.0
    stale_if_error_s = 1000.0
    missing_s = 10.0
    error_s = 1.0


class Desk:
    """Sources, and short words for what tests ask of them."""

    def __init__(self, sources: SourceStore, clock: Clock, telemetry: NodeTelemetry, log: io.StringIO) -> None:
        self.sources, self.clock, self.telemetry, self.log = sources, clock, telemetry, log

    def asker(self, tenant: str = "t", seconds: float = 20.0) -> Asker:
        return Asker(tenant, deadline=self.clock.monotonic() + seconds)

    async def bind(
        self,
        url: str,
        *,
        tenant: str = "t",
        buster: str = "",
        forwarded: Forwarded = PLAIN,
        assume_fresh_s: float = 0.0,
    ) -> Binding:
        ref = SourceRef(url=url, buster=buster)
        return await self.sources.bind(self.asker(tenant), ref, forwarded, assume_fresh_s=assume_fresh_s)

    async def read(
        self, url: str, *, tenant: str = "t", buster: str = "", forwarded: Forwarded = PLAIN
    ) -> tuple[Binding, bytes]:
        """Bind and open; returns the lease's binding and its bytes."""
        binding = await self.bind(url, tenant=tenant, buster=buster, forwarded=forwarded)
        return await self.open(binding, forwarded)

    async def open(self, binding: Binding, forwarded: Forwarded = PLAIN) -> tuple[Binding, bytes]:
        ref = SourceRef(url=binding.url, buster=binding.buster)
        with await self.sources.open(self.asker(binding.tenant), binding, ref, forwarded) as lease:
            return lease.binding, os.pread(lease.fd(), lease.binding.size + 1, 0)

    def metric(self, name: str, **labels: str) -> float:
        return total(self.telemetry.registry, f"tintype_{name}", labels)


Make = Callable[..., Desk]


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    async with Origin() as origin:
        yield origin


@pytest.fixture
async def make(tmp_path: Path) -> AsyncIterator[Make]:
    """Open sources; `folder` again opens the same ones. They are closed at the end."""
    opened: list[SourceStore] = []

    def make(
        folder: str = "sources",
        *,
        limits: Limits | None = None,
        lasting: type[Lasting] = Lasting,
        gate: Gate | None = None,
        clock: Clock | None = None,
        **settings: object,
    ) -> Desk:
        clock, log = clock or Clock(), io.StringIO()
        telemetry = NodeTelemetry(TelemetrySettings(), out=log, strict=True)
        chosen = SourceSettings(**({"allow_loopback": True} | settings))  # type: ignore[arg-type]
        sources = open_sources(
            chosen, lasting(), limits or Limits(), tmp_path / folder, telemetry, clock, gate or patient()
        )
        opened.append(sources)
        return Desk(sources, clock, telemetry, log)

    yield make
    for sources in opened:
        await sources.close()


@pytest.fixture
def desk(make: Make) -> Desk:
    return make()

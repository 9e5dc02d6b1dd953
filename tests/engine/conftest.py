"""A pool of real workers that do what they are told, and the means to talk to it."""

from __future__ import annotations

import asyncio
import fcntl
import io
import json
import os
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.gates import patient
from tests.metrics import total
from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.limits import Limits
from tintype.core.plan import Load, Plan, Save
from tintype.engine.crew import Crew
from tintype.engine.pool import Pool
from tintype.engine.settings import EngineSettings, Isolation, SecuritySettings
from tintype.engine.worker import Phase
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

_RUN = "import runpy, sys; sys.path.insert(0, {root!r}); runpy.run_module({module!r}, run_name='__main__')"


def command_of(module: str) -> tuple[str, ...]:
    """A worker program that lives in the tests."""
    return (sys.executable, "-P", "-c", _RUN.format(root=str(ROOT), module=module))


BAD = command_of("tests.engine.bad_worker")


def plan(width: int = 1) -> Plan:
    """Any plan; the bad worker does not look at it."""
    return Plan(
        load=Load(format=Format.PNG, width=width, height=1), steps=(), save=Save(format=Format.PNG), width=1, height=1
    )


def sealed(body: bytes) -> int:
    """A read-only descriptor with these bytes, which the worker cannot write through."""
    fd = os.memfd_create("source")
    os.write(fd, body)
    reading = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    os.close(fd)
    return reading


def _unread(fd: int) -> int:
    """Return how many bytes sent to a socket of this machine nobody has read yet."""
    (count,) = struct.unpack("i", fcntl.ioctl(fd, termios.TIOCOUTQ, bytes(4)))
    return int(count)


@dataclass
class Bench:
    """A pool under test: every request is a text that the worker obeys."""

    pool: Pool
    clock: SystemClock
    log: io.StringIO
    metrics: NodeTelemetry
    held: list[int] = field(default_factory=list)

    async def say(
        self,
        text: str,
        *,
        plans: int = 1,
        inputs: int = 1,
        tenant: str = "t",
        digest: str = "",
        within_s: float = 90.0,
        width: int = 1,
    ) -> str:
        fd = sealed(text.encode())
        try:
            finished = await self.pool.run(
                [(fd, len(text.encode()), Format.PNG)] * inputs,
                [plan(width)] * plans,
                asker=Asker(tenant, deadline=self.clock.monotonic() + within_s),
                digest=digest or text,
            )
        finally:
            os.close(fd)
        return finished.bodies[0].decode()

    async def probe(self, text: str, *, tenant: str = "t", digest: str = "") -> ImageInfo:
        fd = sealed(text.encode())
        try:
            return await self.pool.probe(
                fd,
                len(text.encode()),
                Format.PNG,
                asker=Asker(tenant, deadline=self.clock.monotonic() + 90),
                digest=digest or text,
                source_pixels=7,
            )
        finally:
            os.close(fd)

    def events(self, name: str) -> list[dict[str, Any]]:
        found = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [event for event in found if event["event"] == name]

    async def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something that happens in the background; a minute at most."""
        async with asyncio.timeout(60):
            while not condition():  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.01)

    @property
    def crew(self) -> Crew:
        """The workers, which nobody outside of the pool needs to know."""
        assert self.pool._crew is not None
        return self.pool._crew

    async def a_worker(self, phase: Phase = Phase.IDLE) -> int:
        """Return the pid of a worker, once there is one in this phase."""

        def found() -> list[int]:
            return [w.process.pid for w in self.crew._workers if w.phase is phase and w.process.pid]

        await self.until(lambda: bool(found()))
        return found()[0]

    async def at_work(self) -> int:
        """Return the pid of a worker that has read its request, once there is one."""

        def found() -> list[int]:
            busy = [w for w in self.crew._workers if w.phase is Phase.BUSY and w.process.pid]
            return [w.process.pid for w in busy if _unread(w._channel._sock.fileno()) == 0]

        await self.until(lambda: bool(found()))
        return found()[0]

    def metric(self, name: str, **labels: str) -> float:
        return total(self.metrics.registry, f"tintype_{name}", labels)


Benches = Callable[..., Any]


@asynccontextmanager
async def benches() -> AsyncIterator[Benches]:
    """Make started pools; all are closed at the end."""
    async with AsyncExitStack() as stack:

        async def make(
            *,
            workers: int = 1,
            isolation: Isolation = Isolation.NODE,
            limits: Limits | None = None,
            command: tuple[str, ...] = BAD,
            poison_s: float = 60.0,
            require_sandbox: bool = False,
            start: bool = True,
            gate: Gate | None = None,
        ) -> Bench:
            log = io.StringIO()
            telemetry = NodeTelemetry(TelemetrySettings(log_format="json"), out=log, strict=True)
            clock = SystemClock()
            settings = EngineSettings(workers=workers, isolation=isolation, poison_s=poison_s)
            pool = Pool(
                settings,
                SecuritySettings(require_sandbox),
                limits or Limits(),
                telemetry,
                clock,
                gate or patient(workers),
                command,
            )
            stack.push_async_callback(pool.close)
            if start:
                await pool.start()
            return Bench(pool, clock, log, telemetry)

        yield make


@pytest.fixture
async def engine() -> AsyncIterator[Benches]:
    async with benches() as make:
        yield make

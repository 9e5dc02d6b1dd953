"""A node without its server: real sources, caches and workers behind the ASGI application, under a clock that can be moved."""

from __future__ import annotations

import asyncio
import io
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.node import Answer
from tests.e2e.origin import Origin, origin_server
from tests.metrics import total
from tintype.config import load
from tintype.telemetry.node import NodeTelemetry
from tintype.wiring.node import Node, build

SETTINGS = """
data_dir = "{folder}/var"
[sources]
allow_loopback = true
local_root = "{folder}"
[engine]
workers = 1
[cache]
error_s = 0.0
renewals_per_s = {renewals_per_s}
[tenants.default]
trusted_signatures = ["unsafe", "a-trusted-signature-for-tests"]
{tenant}
"""


@dataclass
class Clock:
    """The system's clocks, `ahead` by some seconds. Move it only while nothing is under way."""

    ahead: float = 0.0

    def now(self) -> float:
        return time.time() + self.ahead

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class Running:
    """A started node and what it said."""

    node: Node
    clock: Clock
    log: io.StringIO
    defects: list[dict[str, Any]] = field(default_factory=list)

    async def ask(self, path: str, **headers: str) -> Answer:
        """Answer a GET as the server would have it answered."""
        sent: list[dict[str, Any]] = []
        gone = asyncio.Event()

        async def receive() -> dict[str, Any]:
            await gone.wait()
            return {"type": "http.disconnect"}

        async def send(message: dict[str, Any]) -> None:
            sent.append(message)

        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        path, _, query = path.partition("?")
        scope = {"type": "http", "method": "GET", "path": path, "raw_path": path.encode(), "headers": pairs}
        await self.node.front({**scope, "query_string": query.encode(), "client": ("127.0.0.1", 1)}, receive, send)  # type: ignore[arg-type]
        body = b"".join(message.get("body", b"") for message in sent[1:])
        return Answer(sent[0]["status"], {k.decode(): v.decode() for k, v in sent[0]["headers"]}, body)

    def events(self, name: str) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.log.getvalue().splitlines()]
        return [line for line in lines if line["event"] == name]

    def metric(self, name: str, **labels: str) -> float:
        return total(self.node.telemetry.registry, name, labels)

    async def until(self, what: Callable[[], Awaitable[bool]], for_s: float = 60) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + for_s
        while not await what():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


Start = Callable[..., Awaitable[Running]]


@pytest.fixture
def origin() -> Iterator[Origin]:
    with origin_server() as server:
        yield server


@asynccontextmanager
async def started(folder: Path, clock: Clock, tenant: str, renewals_per_s: float) -> AsyncIterator[Running]:
    toml = folder / "tintype.toml"
    toml.write_text(SETTINGS.format(folder=folder, tenant=tenant, renewals_per_s=renewals_per_s))
    log = io.StringIO()
    config = load(env={}, path=str(toml)).config
    running = Running(build(config, NodeTelemetry(config.telemetry, out=log, strict=True), clock), clock, log)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: running.defects.append(context))
    await running.node.start()
    try:
        yield running
    finally:
        await running.node.close()
        running.node.telemetry.close()
    assert not running.defects
    assert not running.events("defect")


@pytest.fixture
async def start(tmp_path: Path) -> AsyncIterator[Start]:
    """Start a node over `tmp_path`; the one before it is closed first, and leaves its caches."""
    clock = Clock()
    stack = AsyncExitStack()

    async def begin(tenant: str = "", renewals_per_s: float = 5.0) -> Running:
        await stack.aclose()
        return await stack.enter_async_context(started(tmp_path, clock, tenant, renewals_per_s))

    yield begin
    await stack.aclose()

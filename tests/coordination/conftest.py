"""A Valkey, and links to it as several nodes would have them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cache.support import Seen
from tests.coordination.server import Server
from tests.metrics import total
from tintype.coordination.link import Link
from tintype.coordination.settings import CoordinationSettings
from tintype.telemetry.clock import SystemClock


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with Server(tmp_path) as started:
        yield started


class Node:
    """What of a node talks to Valkey."""

    def __init__(self, server: Server, **settings: Any) -> None:
        self.seen, self.clock = Seen(), SystemClock()
        # A machine that is busy with other things is no Valkey that is away.
        patient = {"valkey_url": server.url, "timeout_s": 5.0, **settings}
        self.link = Link(CoordinationSettings(**patient), self.clock, self.seen)

    def metric(self, name: str, **labels: str) -> float:
        return total(self.seen.registry, f"tintype_{name}", labels)

    def events(self) -> list[str]:
        return [name for name, _ in self.seen.events]

    async def until(self, what: Callable[[], bool], for_s: float = 60) -> None:
        deadline = time.monotonic() + for_s
        while not what():
            assert time.monotonic() < deadline
            await asyncio.sleep(0.02)


Begin = Callable[..., Awaitable[Node]]


@pytest.fixture
async def begin(server: Server) -> AsyncIterator[Begin]:
    """Start what of a node talks to Valkey."""
    begun: list[Node] = []

    async def one(**settings: Any) -> Node:
        begun.append(node := Node(server, **settings))
        await node.link.start()
        return node

    yield one
    for node in begun:
        await node.link.close()
        node.seen.close()

"""The link to Valkey: a call takes a bounded time, and while calls fail none is made but for a probe now and then."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from valkey.asyncio import ConnectionPool, Valkey
from valkey.exceptions import NoScriptError, ValkeyError

from tintype.admission.hosts.breaker import Breaker
from tintype.coordination.settings import SCHEMES, CoordinationSettings
from tintype.core.errors import Misconfigured
from tintype.ports import Clock, Telemetry

# The last two come from connections that end while they are written to or read from.
_ERRORS = (ValkeyError, OSError, TimeoutError, EOFError, RuntimeError)
_FAILURES = 3  # in a row; a single one may be a connection that was closed at the other end
_PROBE_S = 1.0  # about that long between two probes, so that nodes do not come back all at once


class Away(Exception):
    """Valkey cannot be asked now."""


@dataclass(frozen=True)
class Script:
    """A script for one key. Valkey remembers it by its digest."""

    text: str

    @cached_property
    def digest(self) -> str:
        return hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


class Link:
    """One Valkey. `start` before it is used, `close` after. What is down at the start may come up later."""

    def __init__(self, settings: CoordinationSettings, clock: Clock, telemetry: Telemetry) -> None:
        client: Any = Valkey.from_pool(_pool(settings))  # its commands have no types
        self._client = client
        self._prefix, self._timeout_s = settings.prefix, settings.timeout_s
        self._slots = asyncio.Semaphore(settings.connections)
        self._clock, self._telemetry = clock, telemetry
        self._breaker = Breaker(_FAILURES, _PROBE_S, _PROBE_S)
        self._up: bool | None = None
        self._probing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Look whether Valkey is there, now and from now on."""
        await self._probe()
        self._probing = asyncio.create_task(self._keep_probing())

    async def close(self) -> None:
        if self._probing is not None:
            self._probing.cancel()
            await asyncio.gather(self._probing, return_exceptions=True)
        await self._client.aclose()

    def key(self, kind: str, name: str) -> str:
        """Return what is called so by all nodes."""
        return f"{self._prefix}:{kind}:{name}"

    async def call(self, *command: str | int) -> Any:
        """Return what Valkey answers to a command. Raises Away."""
        return await self._attempt(lambda: self._client.execute_command(*command))

    async def run(self, script: Script, key: str, *arguments: str | int) -> Any:
        """Return what a script returns. Raises Away."""

        async def evaluated() -> Any:
            try:
                return await self._client.execute_command("EVALSHA", script.digest, 1, key, *arguments)
            except NoScriptError:
                return await self._client.execute_command("EVAL", script.text, 1, key, *arguments)

        return await self._attempt(evaluated)

    async def _attempt(self, work: Callable[[], Awaitable[Any]]) -> Any:
        begun = self._breaker.begin(self._clock.monotonic())
        if begun is None:
            raise Away
        try:
            async with asyncio.timeout(self._timeout_s), self._slots:
                answer = await work()
        except _ERRORS as error:
            self._failed(begun, error)
            raise Away from error
        except BaseException:
            self._breaker.gave_up(begun)
            raise
        self._breaker.succeeded(begun)
        if not self._breaker.is_open:  # as it may be if this was begun before others failed
            self._now(up=True)
        return answer

    def _failed(self, begun: int, error: Exception) -> None:
        self._breaker.failed(begun, self._clock.monotonic(), random.random())  # noqa: S311 - not a secret
        self._telemetry.count("coordination_errors")
        if self._up is None or self._breaker.is_open:
            self._now(up=False, error=f"{type(error).__name__}: {error}"[:500])

    def _now(self, *, up: bool, **facts: str) -> None:
        if self._up is up:
            return
        self._up = up
        self._telemetry.gauge("coordination_up", float(up))
        self._telemetry.event(
            "coordination_up" if up else "coordination_down", level="info" if up else "warning", **facts
        )

    async def _probe(self) -> None:
        try:
            await self.call("PING")
        except Away:
            return

    async def _keep_probing(self) -> None:
        while True:
            await asyncio.sleep(_PROBE_S * random.uniform(0.5, 1.5))  # noqa: S311 - not a secret
            await self._probe()


def _pool(settings: CoordinationSettings) -> ConnectionPool:
    """Return connections that are opened when they are first used. Raises Misconfigured, without the URL's password."""
    bounds = {"max_connections": settings.connections, "lib_name": None, "lib_version": None}
    try:
        pool: ConnectionPool = ConnectionPool.from_url(settings.valkey_url, socket_timeout=None, **bounds)
        check: Any = pool.make_connection  # it has no types
        check()
    except (ValueError, TypeError):
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        raise Misconfigured(
            f"coordination.valkey_url (not shown, it is a secret) is no URL of a Valkey; it begins with one of {schemes}, "
            "its port is a number and its options are those of valkey-py"
        ) from None
    return pool

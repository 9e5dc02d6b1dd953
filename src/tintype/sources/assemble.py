"""Puts sources together from their settings."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Protocol

from aiohttp.abc import AbstractResolver

from tintype.admission.gate import Gate
from tintype.core.limits import Limits
from tintype.kit.filestore import FileStore
from tintype.kit.freshness import Rules
from tintype.kit.guard import Guard
from tintype.kit.http import ClientSettings, GuardedClient
from tintype.ports import Clock, Fetcher, Telemetry
from tintype.sources.bindings import Bindings
from tintype.sources.http import HttpFetcher, HttpLimits
from tintype.sources.local import LocalFetcher
from tintype.sources.objects import ObjectFetcher
from tintype.sources.origins import Origins
from tintype.sources.settings import SourceSettings
from tintype.sources.sources import Memory, SourceStore


class Lasting(Protocol):
    """How long what is known of sources lasts, in seconds; the settings of the result cache say."""

    @property
    def stale_while_revalidate_s(self) -> float: ...
    @property
    def stale_if_error_s(self) -> float: ...
    @property
    def missing_s(self) -> float: ...
    @property
    def error_s(self) -> float: ...


def open_sources(
    settings: SourceSettings,
    lasting: Lasting,
    limits: Limits,
    folder: Path,
    telemetry: Telemetry,
    clock: Clock,
    gate: Gate,
    *,
    resolver: AbstractResolver | None = None,
    lock_wait_s: float = 0.0,
) -> SourceStore:
    """Open the stores below `folder` and make the fetchers. Needs no running loop; `close` the result in one.

    `lock_wait_s` is how long a predecessor may still have the folder.

    Raises:
        Misconfigured: the folder is in use, local_root is no folder, a store is of an unknown kind.
    """
    fetchers, close = _fetchers(settings, limits, clock, resolver)
    bodies = FileStore(
        folder / "bodies",
        settings.store_bytes,
        tier="source",
        clock=clock,
        telemetry=telemetry,
        lock_wait_s=lock_wait_s,
    )
    rules = Rules(settings.default_fresh_s, lasting.stale_while_revalidate_s, lasting.stale_if_error_s)
    origins = Origins(
        fetchers, bodies.temporary, bodies.account, gate, limits=limits, rules=rules, clock=clock, telemetry=telemetry
    )
    memory = Memory(
        stale_while_revalidate_s=lasting.stale_while_revalidate_s,
        missing_s=lasting.missing_s,
        error_s=lasting.error_s,
        held_s=limits.request_timeout_s,
        purges=limits.purge_memory,
    )
    bindings = Bindings(folder / "bindings.sqlite", settings.bindings, telemetry)
    return SourceStore(origins, bindings, bodies, memory, clock, telemetry, close)


def _fetchers(
    settings: SourceSettings, limits: Limits, clock: Clock, resolver: AbstractResolver | None
) -> tuple[dict[str, Fetcher], Callable[[], Awaitable[None]]]:
    guard = Guard(settings.allow_loopback, settings.allow_link_local, settings.allow_private)
    client = GuardedClient(guard, ClientSettings(limits.fetches, settings.keep_alive_s, settings.verify_tls), resolver)
    http = HttpFetcher(client, HttpLimits(limits.source_bytes, limits.source_redirects), settings.user_agent, clock)
    fetchers: dict[str, Fetcher] = {"http": http, "https": http}
    for name, store in settings.stores:
        fetchers[name] = ObjectFetcher(
            store,
            query_separator=settings.query_separator,
            source_bytes=limits.source_bytes,
            timeout_s=limits.fetch_timeout_s,
            clock=clock,
        )
    local = LocalFetcher(Path(settings.local_root), settings.query_separator, clock) if settings.local_root else None
    if local is not None:
        fetchers["local"] = local

    async def close() -> None:
        await client.close()
        if local is not None:
            local.close()

    return fetchers, close

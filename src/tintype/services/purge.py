"""Purge: drop what a selector names from every tier, so that the next request finds the world as it is now."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tintype.core.asked import Asked
from tintype.core.entry import Scope, Selector
from tintype.core.shown import shown_url
from tintype.ports import Cache, Sources, Telemetry
from tintype.services.make import pipeline_tag


@dataclass(frozen=True, slots=True)
class Purged:
    """How much went: cached results, and sources forgotten (or, by a soft purge, made stale)."""

    results: int
    sources: int


class Purge:
    """`forget` empties the memo, which answers before any tier is asked."""

    def __init__(self, sources: Sources, cache: Cache, forget: Callable[[], None], telemetry: Telemetry) -> None:
        self._sources = sources
        self._cache = cache
        self._forget = forget
        self._telemetry = telemetry

    async def __call__(self, selector: Selector, *, soft: bool = False) -> Purged:
        """Purge. A soft purge keeps results, which are served stale while their source is asked for again."""
        # Sources first: whatever is rendered after the results are dropped is rendered from what the source is now.
        sources = await self._sources.drop(selector, soft=soft)
        results = 0 if soft else await self._cache.drop(selector)
        self._forget()
        self._count(selector.scope, soft, results + sources)
        self._telemetry.event(
            "purged", scope=selector.scope, value=shown_url(selector.value), soft=soft, results=results, sources=sources
        )
        return Purged(results, sources)

    def _count(self, scope: Scope, soft: bool, entries: int) -> None:
        self._telemetry.count("purges", scope=scope, mode="soft" if soft else "hard")
        self._telemetry.count("purged_entries", entries)

    async def url(self, tenant: str, asked: Asked, *, soft: bool = False) -> Purged:
        """Purge every variant of one URL, and have its source asked for again."""
        tag = Selector(scope=Scope.TAG, value=pipeline_tag(asked), tenant=tenant)
        source = Selector(scope=Scope.SOURCE, value=asked.pipeline.source.url, tenant=tenant)
        sources = await self._sources.drop(source, soft=soft)
        results = 0 if soft else await self._cache.drop(tag)
        self._forget()
        self._count(Scope.KEY, soft, results + sources)
        self._telemetry.event(
            "purged",
            scope="url",
            value=shown_url(asked.pipeline.source.url),
            soft=soft,
            results=results,
            sources=sources,
        )
        return Purged(results, sources)

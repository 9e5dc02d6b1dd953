"""The quick path: whole images that were asked for before, from a request as it came to the messages that answer it.

It waits for nothing and changes nothing but counts, so that it can run in the server's own thread. Whatever is not
plain (conditions, ranges, headers given twice, an entry that is not at hand) is declined, and takes the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from tintype.core.tenant import Tenant
from tintype.ports import Clock, Finder, Prepared
from tintype.web.memo import Headers, Memo, Ready
from tintype.web.mounts import Site
from tintype.web.reply import WHOLE, RequestIds, common

Messages: TypeAlias = tuple[dict[str, Any], dict[str, Any]]

# What asks for less than the whole, or under a condition.
_CONDITIONS = frozenset({b"range", b"if-range", b"if-none-match", b"if-modified-since"})


class Quick:
    """Answers what it can; called by one thread at a time, as its counts have one writer. `closed`: answers nothing."""

    def __init__(self, site: Site, memo: Memo, finder: Finder, clock: Clock, telemetry: Prepared) -> None:
        self._site, self._memo, self._find = site, memo, finder.find
        self._now, self._monotonic = clock.now, clock.monotonic
        self._telemetry = telemetry
        self._ids = RequestIds()
        self._seconds = telemetry.timer("request_seconds", outcome="hit")
        self._hits = {tier: telemetry.counter("cache_hits", tier=tier) for tier in ("ram", "disk")}
        self._counters: dict[str, tuple[Callable[[float], None], Callable[[float], None]]] = {}
        self.closed = False

    def __call__(self, scope: MutableMapping[str, Any]) -> Messages | None:
        """Return the two messages that answer a request, counted and logged, or None."""
        given: Headers = scope["headers"]
        headers, site = dict(given), self._site.mounts
        if (
            self.closed
            or scope["method"] != "GET"
            or len(headers) != len(given)
            or not _CONDITIONS.isdisjoint(headers)
            or (site.by_cookie and b"cookie" in headers)
        ):
            return None
        began = self._monotonic()
        known = self._memo.peek(site.question(scope["raw_path"], scope["query_string"], headers), self._now())
        if known is None or known.ready is None:
            return None
        found = self._find(known.key)
        if found is None or len(found[1]) > WHOLE:
            return None
        tier, body = found
        ready, request_id = known.ready, self._ids.of(headers)
        self._hits[tier](1)
        ready.requests(1)
        ready.response_bytes(len(body))
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [(b"x-request-id", request_id), *ready.headers],
        }
        seconds = self._monotonic() - began
        self._seconds(seconds)
        ready.line(request_id.decode(), seconds * 1000)
        return start, {"type": "http.response.body", "body": body}

    def ready(self, tenant: Tenant, shown: str, headers: Headers, length: int) -> Ready | None:
        """Prepare an answer of `length` bytes that may be given again, logged as `shown`.

        None = each request's token is to be seen.
        """
        if tenant.delivery.secret:
            return None
        requests, response_bytes = self._counted(tenant.name)
        facts = {"method": "GET", "path": shown, "status": 200, "tenant": tenant.name, "outcome": "hit"}
        size: Headers = [(b"accept-ranges", b"bytes"), (b"content-length", b"%d" % length)]
        return Ready(
            (*headers, *size, *common(tenant), (b"server-timing", b"cache;desc=hit")),
            self._telemetry.line("request", **facts, bytes=length),
            requests,
            response_bytes,
        )

    def _counted(self, tenant: str) -> tuple[Callable[[float], None], Callable[[float], None]]:
        counters = self._counters.get(tenant)
        if counters is None:
            counters = self._counters[tenant] = (
                self._telemetry.counter("requests", tenant=tenant, status="2xx", outcome="hit"),
                self._telemetry.counter("response_bytes", tenant=tenant),
            )
        return counters

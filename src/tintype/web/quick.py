"""The quick path: images that were asked for before, from a request as it came to the messages that answer it.

It waits for nothing and changes nothing but counts, so that it can run in the server's own thread. Whatever is not
plain (ranges, headers given twice, an entry that is not at hand) is declined, and takes the usual way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping
from typing import Any, TypeAlias

from tintype.core.tenant import Tenant
from tintype.ports import Clock, Finder, Prepared
from tintype.web.headers import is_current
from tintype.web.heads import common, unchanged
from tintype.web.memo import Headers, Memo, Ready
from tintype.web.mounts import Site
from tintype.web.reply import WHOLE, Messages, RequestIds

Count: TypeAlias = Callable[[float], None]
# Of a request's scope, headers, id and beginning.
Away: TypeAlias = Callable[[MutableMapping[str, Any], dict[bytes, bytes], bytes, float], Messages | None]

_METHODS = frozenset({"GET", "HEAD"})
_PARTS = frozenset({b"range", b"if-range"})


class Quick:
    """Answers what it can; called by one thread at a time, as its counts have one writer. `closed`: answers nothing.

    `away`: refuses some of the rest.
    """

    def __init__(self, site: Site, memo: Memo, finder: Finder, clock: Clock, telemetry: Prepared, away: Away) -> None:
        self._away = away
        self._site, self._memo, self._find = site, memo, finder.find
        self._now, self._monotonic = clock.now, clock.monotonic
        self._telemetry = telemetry
        self._ids = RequestIds()
        self._hits = {tier: telemetry.counter("cache_hits", tier=tier) for tier in ("ram", "disk")}
        self._counters: dict[tuple[str, int], tuple[Count, Count, Count]] = {}
        self.closed = False

    def __call__(self, scope: MutableMapping[str, Any]) -> Messages | None:
        """Return the two messages that answer a request, counted and logged, or None."""
        given: Headers = scope["headers"]
        headers, site = dict(given), self._site.mounts
        if (
            self.closed
            or scope["method"] not in _METHODS
            or len(headers) != len(given)
            or not _PARTS.isdisjoint(headers)
            or (site.by_cookie and b"cookie" in headers)
        ):
            return None
        began = self._monotonic()
        known = self._memo.peek(site.question(scope["raw_path"], scope["query_string"], headers), self._now())
        if known is None:
            return self._away(scope, headers, self._ids.of(headers), began)
        ready, body = known.ready, b""
        if ready is None:
            if known.prepare is None:
                return None
            ready = known.ready = known.prepare()
        current = is_current(headers, known.etag, known.last_modified)
        if current or scope["method"] == "HEAD":  # the result need not be at hand: it would be the same one
            ready = self._bare(ready, scope["method"], current)
        else:
            found = self._find(known.key)
            if found is None or len(found[1]) > WHOLE:
                return None
            tier, body = found
            self._hits[tier](1)
        return self._told(ready, self._ids.of(headers), body, began)

    def _told(self, ready: Ready, request_id: bytes, body: bytes, began: float) -> Messages:
        ready.requests(1)
        ready.response_bytes(ready.length)
        start = {
            "type": "http.response.start",
            "status": ready.status,
            "headers": [(b"x-request-id", request_id), *ready.headers],
        }
        seconds = self._monotonic() - began
        ready.seconds(seconds)
        ready.line(request_id.decode(), seconds * 1000)
        return start, {"type": "http.response.body", "body": body}

    def ready(self, tenant: Tenant, shown: str, headers: Headers, length: int) -> Ready:
        """Prepare an answer of `length` bytes that may be given again, logged as `shown`."""
        size: Headers = [(b"accept-ranges", b"bytes"), (b"content-length", b"%d" % length)]
        facts = {"path": shown, "tenant": tenant.name, "outcome": "hit"}
        return self._prepared(
            (*headers, *size, *common(tenant), (b"server-timing", b"cache;desc=hit")), facts, "GET", 200, length
        )

    def _bare(self, ready: Ready, method: str, current: bool) -> Ready:
        """Prepare an answer without a body: the client has it (304), or wants its headers alone."""
        if current:
            return self._prepared(unchanged(ready.headers), ready.facts, method, 304, 0)
        return self._prepared(ready.headers, ready.facts, method, ready.status, ready.length)

    def _prepared(
        self, headers: Iterable[tuple[bytes, bytes]], facts: dict[str, str], method: str, status: int, length: int
    ) -> Ready:
        told = {"method": method, **facts, "status": status, "bytes": length}
        line = self._telemetry.line("request", **told)
        return Ready(status, tuple(headers), length, facts, line, *self._counted(facts["tenant"], status))

    def _counted(self, tenant: str, status: int) -> tuple[Count, Count, Count]:
        counters = self._counters.get((tenant, status))
        if counters is None:
            counters = self._counters[tenant, status] = (
                self._telemetry.counter("requests", tenant=tenant, status=f"{status // 100}xx", outcome="hit"),
                self._telemetry.counter("response_bytes", tenant=tenant),
                self._telemetry.timer("request_seconds", tenant=tenant, kind="hit"),
            )
        return counters

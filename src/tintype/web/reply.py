"""One request, and the one reply to it: sent, counted and logged."""

from __future__ import annotations

import asyncio
import itertools
import os
import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import msgspec

from tintype.core.brief import brief
from tintype.core.errors import BadRequest, Shed, TintypeError
from tintype.core.shown import MASK, shown_url
from tintype.core.tenant import Tenant
from tintype.ports import Clock, Span, Telemetry, Tracer
from tintype.services.answers import Timings
from tintype.web.headers import SECURITY, span_of
from tintype.web.heads import common, of_error, of_text, server_timing, unchanged
from tintype.web.memo import Headers
from tintype.web.pieces import Pieces
from tintype.web.slow import SlowLog
from tintype.web.watch import Watch

Scope = MutableMapping[str, Any]
# What the server is handed for an answer: its head, and its body.
Messages: TypeAlias = tuple[dict[str, Any], dict[str, Any]]

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_LONG = re.compile(r"([A-Za-z0-9_-]{6})[A-Za-z0-9_=-]{18,}")
_REQUEST_ID = re.compile(rb"[A-Za-z0-9_-]{1,64}")

# What fits into the kernel's socket buffers is handed over whole.
WHOLE = 1024 * 1024


class RequestIds:
    """Names requests: as the client does, else by a number after what only this process begins with."""

    def __init__(self) -> None:
        self._prefix, self._next = secrets.token_hex(6).encode(), itertools.count().__next__

    def of(self, headers: Mapping[bytes, bytes]) -> bytes:
        given = headers.get(b"x-request-id")
        if given is not None and _REQUEST_ID.fullmatch(given):
            return given
        return b"%s%010x" % (self._prefix, self._next())


class Request(msgspec.Struct, frozen=True):
    """The parts of a request that the image path needs; `raw`: its path and query as they came; `peer`: who sent it."""

    method: str
    target: str
    headers: dict[bytes, bytes]
    id: bytes
    began: float
    raw: tuple[bytes, bytes]
    peer: str = ""


def peer_of(scope: Scope) -> str:
    """Return the address at the other end of a request's connection."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def request_of(scope: Scope, path: str, desk: Desk) -> Request:
    began = desk.clock.monotonic()
    headers: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        # Accept and If-None-Match may come in several lines; they mean the same as one line with commas.
        headers[name] = headers[name] + b", " + value if name in headers else value
    query = scope.get("query_string") or b""
    target = path + ("?" + query.decode("latin-1") if query else "")
    raw = (scope.get("raw_path") or path.encode("latin-1"), query)
    return Request(scope["method"], target, headers, desk.ids.of(headers), began, raw, peer_of(scope))


def raw_path(scope: Scope) -> str:
    """Return a request's path as it came, with one slash at its begin."""
    raw: Any = scope.get("raw_path") or scope["path"].encode("utf-8")
    path: str = raw.decode("latin-1").partition("?")[0]
    # Some clients join a base URL and a path with one slash too many; imgproxy's users rely on it being harmless.
    return "/" + path.lstrip("/")


def within(path: str, prefix: str) -> str | None:
    """Return the path below the server's prefix; None for one that is elsewhere."""
    if prefix and path != prefix and not path.startswith(prefix + "/"):
        return None
    return path[len(prefix) :] or "/"


@dataclass(frozen=True, slots=True)
class Desk:
    """What every reply needs: where it is counted, and how long a client may take to read a piece of it."""

    telemetry: Telemetry
    clock: Clock
    write_timeout_s: float
    slow: SlowLog
    tracer: Tracer | None = None
    ids: RequestIds = field(default_factory=RequestIds)
    pieces: Pieces = field(default_factory=Pieces)


class Reply:
    """Sends one answer, counts and logs it. `tenant` is set once it is known."""

    def __init__(self, send: Send, request: Request, desk: Desk) -> None:
        self._send = send
        self.request = request
        self._telemetry = desk.telemetry
        self._clock = desk.clock
        self._write_timeout_s = desk.write_timeout_s
        self._pieces = desk.pieces
        self.tenant: Tenant | None = None
        self._show: Callable[[str], str] = shown
        self._shown = ""
        self._kind = "other"
        self._slow, self._ready_s = desk.slow, 0.0
        self.timings = Timings()
        self._tracer = desk.tracer
        self._traced: object | None = None
        self._watch: Watch | None = None

    def is_for(self, tenant: Tenant, show: Callable[[str], str]) -> None:
        """Note whose request it is, and how a log may have its target. From then on it may be traced."""
        self.tenant, self._show = tenant, show
        self._traced = self._tracer and self._tracer.begin(self.request.headers.get(b"traceparent", b""))
        if self._traced is not None:
            self._watch = Watch(self._clock)
            self.timings.ended = self._watch.ended

    def shown(self) -> str:
        """Return the target for the log."""
        self._shown = self._shown or self._show(self.request.target)
        return self._shown

    async def body(
        self,
        headers: Headers,
        body: bytes,
        etag: bytes,
        outcome: str,
        timings: Timings | None = None,
        status: int = 200,
    ) -> None:
        """Send a body, or the part of it that a Range asks for."""

        def cut(first: int, past: int) -> bytes:
            return body if past - first == len(body) else body[first:past]

        await self._whole_or_part(headers, etag, len(body), cut, status, outcome, timings)

    async def file(self, headers: Headers, fd: int, size: int, etag: bytes, timings: Timings) -> None:
        """Send a file, or the part of it that a Range asks for, in pieces: a large source never stands in memory."""

        async def cut(first: int, past: int) -> AsyncIterator[bytes]:
            while first < past:
                chunk = await asyncio.to_thread(_read, fd, min(self._pieces.bytes, past - first), first)
                first += len(chunk)
                yield chunk

        await self._whole_or_part(headers, etag, size, cut, 200, "raw", timings)

    async def _whole_or_part(
        self,
        headers: Headers,
        etag: bytes,
        size: int,
        cut: Callable[[int, int], bytes | AsyncIterator[bytes]],
        status: int,
        outcome: str,
        timings: Timings | None,
    ) -> None:
        headers, first, past = [*headers, (b"accept-ranges", b"bytes")], 0, size
        wanted = self.request.headers.get(b"range")
        if wanted and status == 200 and self.request.headers.get(b"if-range", etag) == etag:
            try:
                span = span_of(wanted, size)
            except ValueError:
                await self.empty(416, [*SECURITY, (b"content-range", b"bytes */%d" % size)], outcome, timings)
                return
            if span:
                first, past, status = span[0], span[1] + 1, 206
                headers.append((b"content-range", b"bytes %d-%d/%d" % (first, span[1], size)))
        headers.append((b"content-length", b"%d" % (past - first)))
        await self._start(status, headers, outcome, timings)
        await self._finish(cut(first, past), status, outcome, past - first)

    async def empty(self, status: int, headers: Headers, outcome: str, timings: Timings | None = None) -> None:
        """Send headers alone."""
        await self._start(status, unchanged(headers) if status == 304 else headers, outcome, timings)
        await self._finish(b"", status, outcome, 0)

    async def text(
        self, status: int, text: str, *, error: TintypeError | None = None, extra: Headers | None = None
    ) -> None:
        """Send a short text: an error, or what a path other than an image's says."""
        body = text.encode()
        headers = [*of_text(body), *(extra or [])]
        if error is not None:
            headers += of_error(error, self.request.id)
        outcome = error.code if error else "text"
        await self._start(status, headers, outcome, None)
        await self._finish(body, status, outcome, len(body), error)

    async def html(self, page: str) -> None:
        """Send a page that needs nothing from outside itself."""
        body = page.encode()
        headers: Headers = [
            (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; sandbox"),
            (b"x-content-type-options", b"nosniff"),
            (b"content-type", b"text/html"),
            (b"content-length", str(len(body)).encode()),
            (b"cache-control", b"max-age=31536000, public"),
        ]
        await self._start(200, headers, "text", None)
        await self._finish(body, 200, "text", len(body))

    async def other_method(self) -> None:
        """Answer a method other than GET and HEAD."""
        allow: Headers = [(b"allow", b"GET, HEAD, OPTIONS")]
        if self.request.method == "OPTIONS":
            await self.text(200, " ", extra=allow)
        else:
            error = BadRequest("Images take GET, HEAD and OPTIONS.")
            await self.text(405, "Method not allowed", error=error, extra=allow)

    async def _start(self, status: int, headers: Headers, outcome: str, timings: Timings | None) -> None:
        self._kind = _kind_of(outcome, timings)
        self._ready_s = self._clock.monotonic() - self.request.began
        timing = server_timing(timings, outcome) if timings is not None else b"cache;desc=" + outcome.encode()
        extra = [(b"x-request-id", self.request.id), *common(self.tenant), (b"server-timing", timing)]
        await self._send({"type": "http.response.start", "status": status, "headers": headers + extra})

    async def _finish(
        self,
        body: bytes | AsyncIterator[bytes],
        status: int,
        outcome: str,
        sent: int,
        error: TintypeError | None = None,
    ) -> None:
        outcome = await self._delivered(body, outcome)
        seconds = self._clock.monotonic() - self.request.began
        tenant = self.tenant.name if self.tenant else ""
        self._telemetry.count("requests", 1, tenant=tenant, status=f"{status // 100}xx", outcome=outcome)
        self._telemetry.count("response_bytes", sent, tenant=tenant)
        if isinstance(error, Shed):
            self._telemetry.count("sheds", reason=error.reason)
        self._telemetry.observe("request_seconds", seconds, tenant=tenant, kind=self._kind)
        facts = {
            "request_id": self.request.id.decode(),
            "method": self.request.method,
            "path": self.shown(),
            "status": status,
            "tenant": tenant,
            "outcome": outcome,
            "bytes": sent,
            "ms": round(seconds * 1000, 2),
            **({"error": error.code, "message": str(error)} if error else {}),
        }
        self._telemetry.event("request", **facts)
        facts["kind"] = self._kind
        if self.tenant is not None:
            self._slow.note(self._ready_s, self.timings, facts)
        if self._tracer is not None and self._watch is not None:
            self._trace(self._tracer, self._watch, facts, seconds)

    async def _delivered(self, body: bytes | AsyncIterator[bytes], outcome: str) -> str:
        """Send a body; returns what became of the request.

        One that stays unfinished has the server close the connection, so that the client sees that it is short.
        """
        try:
            await self._write(b"" if self.request.method == "HEAD" else body)
        except TimeoutError:
            self._telemetry.count("aborts")
            outcome, self._kind = "slow_client", "other"
        except _CutShort:
            self._telemetry.count("short_bodies")
            outcome, self._kind = "cut_short", "other"
        return outcome

    def _trace(self, tracer: Tracer, watch: Watch, facts: dict[str, Any], seconds: float) -> None:
        began, timings = self.request.began, self.timings
        spans = watch.spans(began + self._ready_s, began + seconds, fetched=timings.fetched)
        plan = {"plan": brief(timings.plan)} if timings.plan else {}
        told = {**facts, "lane": timings.lane, **plan}
        tracer.end(self._traced, Span("request", began, began + seconds, spans, told))

    async def _write(self, body: bytes | AsyncIterator[bytes]) -> None:
        """Send a body; a long one in pieces, as fast as the client reads, which may take so long for each."""
        if isinstance(body, bytes) and len(body) <= WHOLE:
            await self._send({"type": "http.response.body", "body": body})
            return
        with self._pieces.sending():
            async for piece in _cut(body, self._pieces) if isinstance(body, bytes) else body:
                async with asyncio.timeout(self._write_timeout_s):
                    await self._send({"type": "http.response.body", "body": piece, "more_body": True})
        await self._send({"type": "http.response.body", "body": b""})


def _kind_of(outcome: str, timings: Timings | None) -> str:
    """Return how quick an answer could be; what is no result has no such expectation."""
    if timings is None:
        return "hit" if outcome == "hit" else "other"
    return timings.kind if outcome == timings.outcome else "other"


class _CutShort(Exception):
    """A body ended before the length that was announced for it."""


def _read(fd: int, size: int, at: int) -> bytes:
    """Return some bytes of a file. Raises _CutShort: there are none, or they cannot be read."""
    try:
        chunk = os.pread(fd, size, at)
    except OSError:
        chunk = b""
    if not chunk:
        raise _CutShort
    return chunk


async def _cut(body: bytes, pieces: Pieces) -> AsyncIterator[bytes]:
    at = 0
    while at < len(body):
        piece = body[at : at + pieces.bytes]
        at += len(piece)
        yield piece


def shown(target: str) -> str:
    """Return a target that no dialect knows for the log; what is long may be a signature, or a source in base64."""
    return _LONG.sub(rf"\1{MASK}", shown_url(target))

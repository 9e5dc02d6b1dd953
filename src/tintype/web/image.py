"""The image path: a raw ASGI application from a request to an image, or to an error in its dialect's words."""

from __future__ import annotations

import asyncio
import hmac
from functools import partial
from typing import Any

from tintype.core.asked import Asked
from tintype.core.binding import Binding
from tintype.core.errors import BadRequest, InternalError, NotFound, NotSigned, TintypeError
from tintype.core.formats import FACTS, Format
from tintype.core.limits import Limits
from tintype.core.tenant import Tenant
from tintype.kit.freshness import ends_at, renews_at
from tintype.ports import Cache, Clock, Telemetry
from tintype.services.answers import Raw, Unchanged, Variant
from tintype.services.look import Want
from tintype.services.render import Render
from tintype.web.edge import edge_age
from tintype.web.forward import forwarded
from tintype.web.handover import HandOver
from tintype.web.headers import (
    SECURITY,
    cache_control,
    canonical_link,
    disposition,
    etags_of,
    http_date,
    http_time,
    is_current,
    mime_of,
    sendable,
)
from tintype.web.memo import Headers, Memo, Remembered
from tintype.web.mounts import Mount, Site
from tintype.web.proxies import Proxies
from tintype.web.quick import Quick
from tintype.web.reply import Receive, Reply, Request


class ImagePath:
    """Answers GET, HEAD and OPTIONS on image URLs."""

    def __init__(
        self,
        site: Site,
        render: Render,
        cache: Cache,
        memo: Memo,
        quick: Quick,
        clock: Clock,
        telemetry: Telemetry,
        limits: Limits,
        proxies: Proxies,
        handover: HandOver,
        *,
        development_errors: bool = False,
        debug_headers: bool = False,
    ) -> None:
        self._site = site
        self._render = render
        self._cache = cache
        self._memo = memo
        self._quick = quick
        self._clock = clock
        self._telemetry = telemetry
        self._limits = limits
        self._proxies = proxies
        self._handover = handover
        self._development_errors = development_errors
        self._debug_headers = debug_headers

    async def __call__(self, path: str, receive: Receive, reply: Reply) -> None:
        """Answer a request for `path` (raw, the server's prefix removed)."""
        request, generation = reply.request, self._memo.generation
        found = self._site.mounts.find(request.headers.get(b"host", b"").decode("latin-1"), path)
        if found is None:
            await reply.text(404, " ", error=NotFound("no tenant is mounted at this host and path"))
            return
        mount, rest = found
        reply.is_for(mount.tenant, lambda target: mount.shown(target, rest))
        if request.method not in ("GET", "HEAD"):
            await reply.other_method()
            return
        question = self._site.mounts.question(*request.raw, request.headers)
        known = self._memo.get(question, self._clock.now()) if self._memorable(mount, request) else None
        if known is None or not _may(mount.tenant, request) or not await self._repeat(known, request, reply):
            await self._answer(mount, rest, request, receive, reply, question, generation)

    def _memorable(self, mount: Mount, request: Request) -> bool:
        """Whether requests like this one may be answered by what an equal URL was answered with."""
        delivery = mount.tenant.delivery
        passes_on = delivery.forward_headers or (
            (delivery.cookie_passthrough or delivery.cookie_passthrough_all) and b"cookie" in request.headers
        )
        return not passes_on

    async def _repeat(self, known: Remembered, request: Request, reply: Reply) -> bool:
        if is_current(request.headers, known.etag, known.last_modified):
            await reply.empty(304, known.headers, "hit")
            return True
        entry = await self._cache.get(known.key)
        if entry is None:
            return False
        await reply.body(known.headers, entry.body, known.etag, "hit")
        return True

    async def _answer(
        self,
        mount: Mount,
        rest: str,
        request: Request,
        receive: Receive,
        reply: Reply,
        question: object,
        generation: int,
    ) -> None:
        try:
            _check_secret(mount.tenant, request)
            want = self.want(mount, rest, request)
            answer = await _unless_gone(self._render(want, reply.timings), receive)
            if answer is None:
                self._telemetry.count("aborts")
                self._telemetry.event("client_gone", request_id=request.id.decode(), path=reply.shown())
                return
            match answer:
                case Raw():
                    await self._raw(mount, want.asked, answer, reply)
                case Unchanged():
                    headers = self._headers(mount.tenant, want.asked, answer.binding, answer.stale, None)
                    headers += _vary(mount.vary)
                    await reply.empty(304, [*headers, (b"etag", _etag(answer.key))], "unchanged", answer.timings)
                case Variant():
                    await self._variant(mount, want, answer, reply, question, generation)
        except TintypeError as error:
            await self._refuse(mount, reply, error)
        except Exception as error:  # noqa: BLE001 - the last line of defence: a defect is a 500 with an id, not a dead connection
            self._telemetry.event(
                "defect", request_id=request.id.decode(), path=reply.shown(), error=repr(error), exc_info=error
            )
            await self._refuse(mount, reply, InternalError())

    def want(self, mount: Mount, rest: str, request: Request) -> Want:
        """Read a request; `rest` is its path within the mount. Raises BadRequest."""
        tenant = mount.tenant
        if len(request.target) > self._limits.url_bytes:
            raise BadRequest(f"the URL has {len(request.target)} bytes; at most {self._limits.url_bytes} are allowed")
        asked = mount.dialect.parse(_with_query(rest, request), self._clock.now())
        passed_on = forwarded(tenant.delivery, request.headers, asked.pipeline.source.url)
        said = self._proxies.said(request.peer, request.headers)
        for header in said.unread:
            self._telemetry.count("proxy_headers_unread", header=header)
        deadline, firm = said.deadline(request.began, self._limits.request_timeout_s)
        return Want(
            tenant=tenant,
            asked=asked,
            offer=mount.offer(request.headers),
            forwarded=passed_on,
            deadline=deadline,
            lane=said.lane,
            client=said.client,
            firm=firm,
            etags=etags_of(request.headers.get(b"if-none-match", b"")) if tenant.delivery.etag else frozenset(),
        )

    async def _variant(
        self, mount: Mount, want: Want, answer: Variant, reply: Reply, question: object, generation: int
    ) -> None:
        tenant, facts = mount.tenant, answer.entry.facts
        ttl_s = tenant.fallback.ttl_s if answer.error else 0
        headers = self._headers(
            tenant,
            want.asked,
            answer.binding,
            answer.stale or answer.interim or answer.degraded is not None,
            facts.format,
            ttl_s=ttl_s,
            fallback=answer.error is not None,
        )
        headers += _vary(mount.vary)
        headers += [(b"x-tintype-degraded", answer.degraded.encode())] if answer.degraded else []
        if self._debug_headers:
            headers += _debug(answer)
        etag = _etag(answer.key) if tenant.delivery.etag else b""
        modified = _modified(tenant, answer.binding) if not answer.error else b""
        headers += [(b"etag", etag)] if etag else []
        status = 200
        if answer.error:
            status = tenant.fallback.status or mount.dialect.refusal(answer.error)[0]
        elif is_current(reply.request.headers, etag, modified):
            await reply.empty(304, headers, answer.timings.outcome, answer.timings)
            return
        await reply.body(headers, answer.entry.body, etag, answer.timings.outcome, answer.timings, status)
        now = self._clock.now()
        until = _memo_until(tenant, want, answer, self._render.assumed_fresh_s(answer.binding.url), now)
        if self._memorable(mount, reply.request) and until > now:
            again = partial(self._quick.ready, tenant, reply.shown(), headers, len(answer.entry.body))
            prepare = None if tenant.delivery.secret else again  # each request's token is to be seen
            self._memo.put(question, Remembered(answer.key, etag, headers, until, modified, prepare), generation)

    def _headers(
        self,
        tenant: Tenant,
        asked: Asked,
        binding: Binding,
        short: bool,
        format: Format | None,
        *,
        ttl_s: int = 0,
        fallback: bool = False,
    ) -> Headers:
        delivery = tenant.delivery
        url = asked.pipeline.source.url
        control = cache_control(delivery, asked.delivery, binding, self._clock.now(), short=short, ttl_s=ttl_s)
        headers: Headers = [*SECURITY, (b"cache-control", control.encode())]
        headers += edge_age(delivery, asked.delivery, binding, control)
        if format is not None:
            name = disposition(asked.delivery, delivery, url, FACTS[format].extension)
            headers += [(b"content-type", mime_of(format)), (b"content-disposition", name.encode("utf-8"))]
        modified = b"" if fallback else _modified(tenant, binding)
        headers += [(b"last-modified", modified)] if modified else []
        link = canonical_link(url) if delivery.canonical_header else ""
        headers += [(b"link", link.encode())] if link else []
        headers += [(b"cache-tag", ",".join(asked.delivery.tags).encode())] if asked.delivery.tags else []
        return headers

    async def _raw(self, mount: Mount, asked: Asked, answer: Raw, reply: Reply) -> None:
        with answer.lease as lease:
            binding = lease.binding
            facts = FACTS[lease.format] if lease.format else None
            told = sendable(binding.content_type.split(";")[0])
            mime = (told or (facts.mime if facts else "application/octet-stream")).encode()
            extension = facts.extension if facts else ""
            name = disposition(asked.delivery, mount.tenant.delivery, asked.pipeline.source.url, extension)
            headers = self._headers(mount.tenant, asked, binding, False, None)
            headers += [(b"content-type", mime), (b"content-disposition", name.encode())]
            headers += _vary(", ".join(mount.tenant.delivery.forward_headers))
            etag = _etag(binding.digest[:32]) if mount.tenant.delivery.etag else b""
            headers += [(b"etag", etag)] if etag else []
            if is_current(reply.request.headers, etag, _modified(mount.tenant, binding)):
                await reply.empty(304, headers, "raw", answer.timings)
            elif handed := await self._handover.headers(reply.request.headers, lease.fd(), binding.size):
                await reply.empty(200, headers + handed, "raw", answer.timings)
            else:
                await reply.file(headers, lease.fd(), binding.size, etag, answer.timings)

    async def _refuse(self, mount: Mount, reply: Reply, error: TintypeError) -> None:
        status, text = mount.dialect.refusal(error)
        await reply.text(status, str(error) if self._development_errors else text, error=error)


def _with_query(rest: str, request: Request) -> str:
    query = request.target.find("?")
    return rest + request.target[query:] if query >= 0 else rest


def _may(tenant: Tenant, request: Request) -> bool:
    secret = tenant.delivery.secret
    given = request.headers.get(b"authorization", b"")
    return not secret or hmac.compare_digest(given, b"Bearer " + secret.encode())


def _check_secret(tenant: Tenant, request: Request) -> None:
    if not _may(tenant, request):
        raise NotSigned("this tenant wants its bearer token in the Authorization header")


async def _unless_gone(work: Any, receive: Receive) -> Any:
    """Wait for work, but not longer than the client does. None: the client went away first, and the work was cancelled."""
    here, left, over = asyncio.current_task(), False, False
    assert here is not None

    def leave(gone: asyncio.Task[None]) -> None:
        nonlocal left
        if not over and not gone.cancelled():
            left = True
            here.cancel()

    gone = asyncio.ensure_future(_disconnected(receive))
    gone.add_done_callback(leave)
    try:
        return await work
    except asyncio.CancelledError:
        if left and not here.uncancel():
            return None
        raise
    finally:
        over = True
        gone.cancel()


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _vary(names: str) -> Headers:
    return [(b"vary", names.encode())] if names else []


def _etag(key: str) -> bytes:
    return b'"' + key.encode() + b'"'


def _modified(tenant: Tenant, binding: Binding) -> bytes:
    if not tenant.delivery.last_modified or not binding.last_modified:
        return b""
    seconds = http_time(binding.last_modified)
    if seconds is None:
        return b""
    return http_date(max(seconds, http_time(tenant.delivery.last_modified_buster) or 0.0)).encode()


def _memo_until(tenant: Tenant, want: Want, answer: Variant, assume_fresh_s: float, now: float) -> float:
    """Until when this answer's headers and bytes hold for an equal URL (Unix seconds); 0 = not at all.

    A little sooner, until the source is being asked for again: a request that gets by the memo is what has it asked for.
    """
    binding = answer.binding
    if (
        binding.private
        or answer.stale
        or answer.interim
        or answer.degraded
        or answer.error
        or want.asked.delivery.expires_at
        or want.forwarded.headers
    ):
        return 0.0
    if tenant.delivery.origin_cache_control and binding.expires and not binding.cache_control:
        return 0.0  # max-age counts down
    renews = renews_at(binding, assume_fresh_s)
    return renews if now < renews else ends_at(binding, assume_fresh_s)


def _debug(answer: Variant) -> Headers:
    facts = answer.entry.facts
    return [
        (b"x-origin-content-length", str(facts.source_bytes).encode()),
        (b"x-origin-width", str(facts.source_width).encode()),
        (b"x-origin-height", str(facts.source_height).encode()),
        (b"x-result-width", str(facts.width).encode()),
        (b"x-result-height", str(facts.height).encode()),
    ]

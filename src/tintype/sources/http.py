"""Fetches from http and https origins: redirects, validators, statuses and body lengths, each with its own refusal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeAlias
from urllib.parse import urljoin

from aiohttp import (
    ClientConnectorCertificateError,
    ClientConnectorDNSError,
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientResponseError,
    InvalidURL,
    SocketTimeoutError,
)
from multidict import CIMultiDictProxy
from yarl import URL

from tintype.core.binding import Binding
from tintype.core.errors import (
    BadRequest,
    SourceFailed,
    SourceIncomplete,
    SourceMissing,
    SourceRefused,
    SourceSlow,
    SourceTooLarge,
    TintypeError,
)
from tintype.kit.freshness import http_date, names_lifetime
from tintype.kit.http import GuardedClient, request_url
from tintype.kit.inflate import ACCEPTED, decoder
from tintype.ports import Clock, Fetched, Forwarded, Sink

Headers: TypeAlias = CIMultiDictProxy[str]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# A redirect of these kinds holds for this once, unless it says otherwise (RFC 9110, 15.4).
_TEMPORARY = frozenset({302, 303, 307})
# What inflates to more than this at once lets others have their turn. Bytes.
_LARGE = 64 * 1024
# Never forwarded: what belongs to one connection, what would change the answer's form, and what is ours to say.
_NOT_FORWARDED = frozenset(
    {
        *(
            "accept-encoding",
            "connection",
            "content-length",
            "content-type",
            "expect",
            "host",
            "keep-alive",
            "range",
            "te",
        ),
        *("if-match", "if-modified-since", "if-none-match", "if-range", "if-unmodified-since"),
        *("proxy-authorization", "proxy-connection", "trailer", "transfer-encoding", "upgrade"),
    }
)
# A Last-Modified less than this before it was received may name two different bodies (RFC 9110, 8.8.2.2). Seconds.
_SETTLED_S = 1.0
# Longest header value that is kept: what comes in outlives the answer, in the table of bindings.
_KEPT = 1024


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of one fetch."""

    source_bytes: int
    redirects: int


class HttpFetcher:
    """Fetches over one guarded client."""

    def __init__(self, client: GuardedClient, limits: HttpLimits, user_agent: str, clock: Clock) -> None:
        self._client, self._limits, self._user_agent, self._clock = client, limits, user_agent, clock

    async def fetch(
        self, url: str, known: Binding | None, forwarded: Forwarded, sink: Sink, deadline: float
    ) -> Fetched:
        """Fetch; see the port. Raises BadRequest, too, for a URL that cannot be read."""
        try:
            async with asyncio.timeout(deadline - self._clock.monotonic()):
                return await self._follow(request_url(url), known, forwarded, sink)
        except (TimeoutError, SocketTimeoutError):
            raise SourceSlow from None
        except (ClientError, OSError) as error:
            raise _translated(error) from None

    async def _follow(self, url: URL, known: Binding | None, forwarded: Forwarded, sink: Sink) -> Fetched:
        headers = self._headers(url, forwarded) | _condition(known)
        passed: list[str] = []
        for _ in range(self._limits.redirects + 1):
            async with self._client.session().get(url, headers=headers, allow_redirects=False) as response:
                target = _target(response)
                if target is None:
                    return await self._read(response, known, passed, sink)
                passed.append(_lifetime(response))
            if _site(target) != _site(url):
                forwarded = Forwarded()
            url, known = target, None  # another URL's validators mean nothing here
            headers = self._headers(url, forwarded)
        raise SourceFailed(f"The origin redirected more than {self._limits.redirects} times", response.status)

    def _headers(self, url: URL, forwarded: Forwarded) -> dict[str, str]:
        headers = {"user-agent": self._user_agent, "accept": "*/*"}
        for name, value in forwarded.headers.items():
            if name.lower() not in _NOT_FORWARDED and value.isprintable():
                headers[name.lower()] = value
        if url.user or url.password:
            headers.pop("authorization", None)  # the URL's own comes instead
        return headers | {"accept-encoding": ACCEPTED}

    async def _read(self, response: ClientResponse, known: Binding | None, passed: list[str], sink: Sink) -> Fetched:
        _check_status(response, known)
        unchanged = response.status == 304
        if not unchanged:
            await self._body(response, sink)
        fetched = _fetched(response.headers, passed, self._clock.now())
        return _renewed(fetched, known) if unchanged and known else fetched

    async def _body(self, response: ClientResponse, sink: Sink) -> None:
        length = response.content_length
        if length is not None and length > self._limits.source_bytes:
            raise SourceTooLarge(f"The source has {length} bytes; at most {self._limits.source_bytes} are allowed")
        decode = decoder(response.headers.get("Content-Encoding", ""))
        content, chunked = response.content, length is None
        # As it came from the socket: joining would be copying, as would cutting. But of many small chunks all that have come.
        while chunk := await content.readany() if chunked else (await content.readchunk())[0]:
            for piece in decode.feed(chunk):
                sink.write(piece)
                if piece is not chunk and len(piece) > _LARGE:
                    await asyncio.sleep(0)
        decode.end()


def _condition(known: Binding | None) -> dict[str, str]:
    if known is None:
        return {}
    if known.etag:
        return {"if-none-match": known.etag}
    modified = http_date(known.last_modified) if known.last_modified else None
    if modified is not None and known.fetched_at - modified > _SETTLED_S:
        return {"if-modified-since": known.last_modified}
    return {}


def _target(response: ClientResponse) -> URL | None:
    location = response.headers.get("Location", "")
    if response.status not in _REDIRECTS or not location:
        return None
    try:
        return request_url(urljoin(str(response.url), location))
    except (ValueError, BadRequest):
        message = "The origin redirected to something that is no http or https URL"
        raise SourceFailed(message, response.status) from None


def _lifetime(response: ClientResponse) -> str:
    """Return a redirect's Cache-Control: the source is fresh no longer than each redirect on the way to it."""
    told = _joined(response.headers, "Cache-Control", "no-store")
    if response.status in _TEMPORARY and not names_lifetime(told, ""):
        return "no-cache"
    return told


def _site(url: URL) -> tuple[str, str | None, int | None]:
    return url.scheme, url.raw_host, url.port


def _check_status(response: ClientResponse, known: Binding | None) -> None:
    status = response.status
    match status:
        case 200:
            return
        case 206 if _is_whole(response):
            return
        case 304 if known is not None and _condition(known):
            return
        case 404:
            raise SourceMissing
        case _ if 400 <= status < 500:
            raise SourceRefused(f"The origin answered with status {status}", status)
        case _ if status >= 500:
            raise SourceFailed(f"The origin answered with status {status}", status)
        case _:
            raise SourceFailed(f"The origin answered with status {status}, which brings no image", status)


def _is_whole(response: ClientResponse) -> bool:
    unit, _, span = response.headers.get("Content-Range", "").partition(" ")
    bounds, _, total = span.partition("/")
    return unit == "bytes" and total.isdigit() and bounds == f"0-{int(total) - 1}"


def _fetched(headers: Headers, passed: list[str], now: float) -> Fetched:
    # After a redirect the validators are another URL's, which may be a different one next time.
    direct = not passed
    return Fetched(
        etag=_kept(headers, "ETag") if direct else "",
        last_modified=_kept(headers, "Last-Modified") if direct else "",
        cache_control=", ".join(filter(None, (*passed, _joined(headers, "Cache-Control", "no-store")))),
        expires=_kept(headers, "Expires", "0"),
        age_s=_age_s(headers, now),
        vary=_joined(headers, "Vary", "*"),
        content_type=_kept(headers, "Content-Type"),
        set_cookie="Set-Cookie" in headers,
    )


def _renewed(fetched: Fetched, known: Binding) -> Fetched:
    """Return what a 304 said, over what was known: it repeats only what it wants changed (RFC 9111, 4.3.4)."""
    silent = not fetched.cache_control and not fetched.expires
    return Fetched(
        unchanged=True,
        etag=fetched.etag or known.etag,
        last_modified=fetched.last_modified or known.last_modified,
        cache_control=known.cache_control if silent else fetched.cache_control,
        expires=known.expires if silent else fetched.expires,
        age_s=fetched.age_s,
        vary=fetched.vary,
        content_type=known.content_type,
        set_cookie=fetched.set_cookie,
    )


def _kept(headers: Headers, name: str, instead: str = "") -> str:
    """Return a value of printable ASCII. Any other one, and one that is too long, counts as `instead`.

    Bytes beyond ASCII come from the client as lone surrogates, which nothing can write down.
    """
    value = headers.get(name, "")
    return value if value.isascii() and value.isprintable() and len(value) <= _KEPT else instead


def _joined(headers: Headers, name: str, instead: str) -> str:
    """Return all values of a list as one of printable ASCII, with ? for what is none; `instead` of one that is too long."""
    value = ", ".join(filter(None, headers.getall(name, [])))
    if len(value) > _KEPT:
        return instead
    if value.isascii() and value.isprintable():
        return value
    return "".join(letter if " " <= letter <= "~" else "?" for letter in value.replace("\t", " "))


def _age_s(headers: Headers, now: float) -> float:
    """Return an answer's age: as caches on the way say, or as its date shows (RFC 9111, 4.2.3)."""
    told = headers.get("Age", "")
    date = http_date(headers["Date"]) if "Date" in headers else None
    apparent_s = 0.0 if date is None else max(0.0, now - date - 1.0)  # dates are whole seconds
    return max(float(told[:10]) if told.isascii() and told.isdigit() else 0.0, apparent_s)


# What the client raises, what it is to us, and what to say; none of it names addresses or credentials.
_unreachable = partial(SourceFailed, origin_status=0)
_TRANSLATIONS: tuple[tuple[type[Exception], Callable[[str], TintypeError], str], ...] = (
    (ClientPayloadError, SourceIncomplete, "The origin closed the connection before the end of its body"),
    (ClientConnectorCertificateError, _unreachable, "The origin's certificate is not valid; see verify_tls"),
    (ClientConnectorDNSError, _unreachable, "The origin's name cannot be found"),
    (ClientResponseError, _unreachable, "The origin's answer is not valid HTTP, or its headers are too large"),
    (InvalidURL, BadRequest, "The source URL cannot be read"),
)


def _translated(error: Exception) -> TintypeError:
    if isinstance(error, ClientResponseError) and _has_more(error.message):
        return SourceIncomplete("The origin sent more bytes than it announced")
    for kind, ours, message in _TRANSLATIONS:
        if isinstance(error, kind):
            return ours(message)
    return _unreachable("The origin cannot be reached")


def _has_more(message: str) -> bool:
    """Tell whether a parser's complaint is about bytes after a whole answer: its mark stands beyond the line's start."""
    lines = message.splitlines()
    return message.startswith("Data after") or (
        message.startswith("Bad status line") and lines[-1].strip() == "^" and lines[-1].index("^") > len("  b'")
    )

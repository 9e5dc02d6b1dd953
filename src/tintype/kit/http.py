"""The guarded HTTP client: a pooled session in which every connection, whoever named it, passes the address guard."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias
from urllib.parse import quote
from weakref import WeakValueDictionary

from aiohttp import ClientRequest, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from tintype.core.errors import BadRequest, SourceDenied
from tintype.kit.guard import Guard

# Name look-ups under way at once, and those below one domain. They have threads of their own: a slow name server stops
# nothing else, and as a look-up goes on when nobody waits for it any more, no domain may take them all.
_LOOKUPS, _LOOKUPS_A_DOMAIN = 64, 4
# How long a look-up may wait for its turn. Seconds.
_TURN_S = 5.0
_NAMES_KEPT_S = 10
# Longest status line, longest header and most headers of an answer.
_LINE_BYTES, _FIELD_BYTES, _FIELDS = 8190, 8190, 128
# Half of what a connection has read ahead when it stops reading: as much as the loop reads at once, as to stop and go on
# after each read costs more than the read. Bytes.
_AHEAD_BYTES = 256 * 1024

_URL = re.compile(r"(https?)://([^/?#\\\s\x00-\x20\x7f]+)([/?][^#]*)?(?:#.*)?", re.IGNORECASE | re.DOTALL)
# A path and query of which nothing needs to be encoded; those with percent signs are looked at more closely.
_CLEAN = re.compile(r"[A-Za-z0-9!$&'()*+,\-./:;=?@_~\[\]]*+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
# What may stand in a path or query as it is (RFC 3986, and brackets, which servers take): the rest is percent-encoded.
_AS_IS = "%!$&'()*+,-./:;=?@_~[]"


Info: TypeAlias = tuple[int, int, int, str, tuple[str, int]]


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """`connections` bounds the pool; an idle one is kept for `keep_alive_s`, 0 = not at all."""

    connections: int
    keep_alive_s: float
    verify_tls: bool


class Resolver(AbstractResolver):
    """Looks names up in threads of its own and hands on the addresses that may be connected to."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._threads = ThreadPoolExecutor(_LOOKUPS, "resolve")
        self._turns: WeakValueDictionary[str, asyncio.Semaphore] = (
            WeakValueDictionary()
        )  # kept by who has or awaits one

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return addresses of a name.

        Raises:
            OSError: it has none.
            TimeoutError: look-ups below its domain are under way, and none of them ended in time.
            SourceDenied: it has none that is allowed.
        """
        infos = await self._look_up(host, port, family)
        addresses = [_result(host, family, address) for family, *_, address in infos]
        allowed = [address for address in addresses if not self._guard.refusal(address["host"])]
        if not allowed:
            self._guard.check((addresses[0]["host"],))
        return allowed

    async def _look_up(self, host: str, port: int, family: int) -> list[Info]:
        turns = self._turns.setdefault(_domain(host), asyncio.Semaphore(_LOOKUPS_A_DOMAIN))
        async with asyncio.timeout(_TURN_S):
            await turns.acquire()
        loop = asyncio.get_running_loop()

        def ended(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(turns.release)

        try:
            looking = self._threads.submit(_look_up, host, port, family)
        except RuntimeError:  # closed
            turns.release()
            raise
        looking.add_done_callback(ended)  # of the thread's work, which outlives whoever stops waiting here
        return await asyncio.wrap_future(looking)

    async def close(self) -> None:
        """End the threads; a look-up under way ends by itself."""
        self._threads.shutdown(wait=False, cancel_futures=True)


class GuardedConnector(TCPConnector):
    """Looks at the peer of each connection before it is used, pooled ones too."""

    def __init__(self, guard: Guard, settings: ClientSettings, resolver: AbstractResolver) -> None:
        kept = {"keepalive_timeout": settings.keep_alive_s} if settings.keep_alive_s else {"force_close": True}
        super().__init__(
            resolver=resolver,
            socket_factory=guard.socket,
            limit=settings.connections,
            ssl=settings.verify_tls,
            ttl_dns_cache=_NAMES_KEPT_S,
            **kept,
        )
        self._guard = guard

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: ClientTimeout) -> Connection:  # noqa: ASYNC109 aiohttp's own signature
        """Return a connection to an allowed peer.

        Raises:
            SourceDenied: the peer is not allowed after all.
        """
        connection = await super().connect(req, traces, timeout)
        transport = connection.transport
        try:
            # A connection that is gone already has no peer to look at, and nothing is sent on it.
            if transport is not None and (peer := transport.get_extra_info("peername")) is not None:
                self._guard.check(peer)
        except SourceDenied:
            connection.close()
            raise
        return connection


class GuardedClient:
    """Makes the session when it is first needed, as that takes a running loop."""

    def __init__(self, guard: Guard, settings: ClientSettings, resolver: AbstractResolver | None = None) -> None:
        self._guard, self._settings, self._given = guard, settings, resolver
        self._resolver: AbstractResolver | None = None
        self._session: ClientSession | None = None

    def session(self) -> ClientSession:
        """Return the one session. It keeps no cookies, decodes nothing, and has no time limit of its own."""
        if self._session is None:
            self._resolver = self._given or Resolver(self._guard)
            self._session = ClientSession(
                connector=GuardedConnector(self._guard, self._settings, self._resolver),
                cookie_jar=DummyCookieJar(),
                auto_decompress=False,
                timeout=ClientTimeout(total=None),
                read_bufsize=_AHEAD_BYTES,
                max_line_size=_LINE_BYTES,
                max_field_size=_FIELD_BYTES,
                max_headers=_FIELDS,
            )
        return self._session

    async def close(self) -> None:
        """Close all connections."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()


def request_url(text: str) -> URL:
    """Return a URL to ask for, spelled as it was given: what was encoded stays, only what must not stand is encoded.

    Raises:
        BadRequest: it is no http or https URL.
    """
    match = _URL.fullmatch(text)
    if match is None:
        raise BadRequest("The source URL has no host; it looks like http://host/path")
    tail = match[3] or "/"
    if not _CLEAN.fullmatch(tail):
        tail = _STRAY_PERCENT.sub("%25", tail)
        tail = quote(tail.encode("utf-8", "surrogateescape"), safe=_AS_IS)
    return URL(_site(match[1].lower(), match[2]) + (tail if tail.startswith("/") else "/" + tail), encoded=True)


@lru_cache(1024)
def _site(scheme: str, authority: str) -> str:
    """Return the beginning of a URL as it is asked for. Raises as `request_url`."""
    try:
        base = URL(f"{scheme}://{authority}")
        if not base.raw_host or not base.port:
            raise ValueError
    except ValueError:
        raise BadRequest("The source URL's host or port cannot be read") from None
    return str(base).rstrip("/")


def _domain(host: str) -> str:
    """Return the last two labels of a name: whoever runs a slow name server has any number of names below them."""
    return ".".join(host.lower().rstrip(".").split(".")[-2:])


def _look_up(host: str, port: int, family: int) -> list[Info]:
    infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
    # Without IPv6 support compiled in, IPv6 addresses come as pairs of numbers; there is nothing to connect to then.
    found = [info for info in infos if isinstance(info[4][0], str)]
    if not found:
        raise OSError(None, "no address")
    return found  # type: ignore[return-value]


def _result(host: str, family: int, address: tuple[str, int]) -> ResolveResult:
    return ResolveResult(
        hostname=host,
        host=address[0],
        port=address[1],
        family=family,
        proto=socket.IPPROTO_TCP,
        flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
    )

"""Origins: which fetcher a URL goes to, by leave of its host and of the gate, and what became of each fetch."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import cached_property

import msgspec
from msgspec.structs import replace

from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.core.binding import Binding, binding_key
from tintype.core.errors import SourceDenied, SourceError
from tintype.core.limits import Limits
from tintype.core.pipeline import SourceRef
from tintype.kit.freshness import Rules, Said, ahead_s, judge
from tintype.ports import Clock, Fetched, Fetcher, Forwarded, Telemetry
from tintype.sources.hosts import Hosts, Visit
from tintype.sources.spool import Body, Spool


class Want(msgspec.Struct, frozen=True, dict=True):
    """A source as one caller asks for it."""

    asker: Asker
    ref: SourceRef
    forwarded: Forwarded

    @property
    def tenant(self) -> str:
        return self.asker.tenant

    @cached_property  # of one request, which asks for it at every step
    def key(self) -> str:
        return binding_key(self.tenant, self.ref.url, self.ref.buster, self.forwarded.digest)


class Got(msgspec.Struct, frozen=True):
    """What a fetch brought: `body` and the file it is in, or None where the origin confirmed the known bytes."""

    binding: Binding
    body: Body | None = None
    path: str | None = None


class Origins:
    """Fetches. `temporary` gives names of files for bodies on their way in, `account` counts their bytes; see FileStore.

    What is new needs a ticket of `gate`, as it will be rendered; to ask whether something has changed does not. Who waits for
    a host holds no ticket: what cannot begin must not count as work that is ahead of others.
    """

    def __init__(
        self,
        fetchers: Mapping[str, Fetcher],
        temporary: Callable[[], str],
        account: Callable[[int], None],
        gate: Gate,
        *,
        limits: Limits,
        rules: Rules,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._fetchers, self._temporary, self._account = fetchers, temporary, account
        self._gate = gate
        self._limits, self._rules, self._clock, self._telemetry = limits, rules, clock, telemetry
        self._hosts = Hosts(limits, gate.expected, clock, telemetry)

    async def fetch(self, want: Want, known: Binding | None, began: Callable[[], None] = lambda: None) -> Got:
        """Fetch a source, conditionally if it is `known`; calls `began` once it has its slot.

        Raises:
            SourceError: as the fetcher says; SourceBusy if the host is not to be asked.
            Shed: there is too much to do.
        """
        host, now = want.ref.host, self._clock.monotonic()
        scheme, fetcher = self._fetcher(want.ref.url)
        # Who is to stand in line for the host is weighed before, to be told at once if there is no room, and with the slot again,
        # as others have come meanwhile: charged only then, so that who waits for a slow host takes nobody's turn, but for a
        # moment who was handed on by the server's thread (web/turnaway.py).
        if known is None and not self._hosts.free(host):
            shed = self._gate.weigh_again(want.asker, host, now)
            if shed is not None:
                raise shed
        async with self._hosts.visit(host, want.ref.url, want.asker) as visit:
            with nullcontext() if known else self._ticket(want, visit.started, visit.started - now):
                began()
                return await self._fetched(want, known, scheme, fetcher, visit)

    @contextmanager
    def _ticket(self, want: Want, now: float, waited_s: float) -> Iterator[None]:
        """Hold a ticket; what has been fetched keeps it until it is weighed for a worker."""
        ticket = self._gate.fetch(want.asker, want.ref.host, now, waited_s=waited_s)
        try:
            yield
        except BaseException:
            self._gate.leave(ticket)
            raise
        self._gate.fetched(ticket, self._clock.monotonic())

    async def _fetched(self, want: Want, known: Binding | None, scheme: str, fetcher: Fetcher, visit: Visit) -> Got:
        asked_at, started = self._clock.now(), visit.started
        result = "failed"

        def answered() -> None:
            visit.first_byte_s = self._clock.monotonic() - started

        try:
            with Spool(self._temporary(), self._limits.source_bytes, self._account, answered) as spool:
                deadline = started + self._limits.fetch_timeout_s
                fetched = await fetcher.fetch(want.ref.url, known, want.forwarded, spool, deadline)
                result = "unchanged" if fetched.unchanged else "fetched"
                return self._got(want, known, fetched, spool, asked_at)
        except SourceError as error:
            result = error.code.removeprefix("source_")
            raise
        finally:
            self._telemetry.count("fetches", scheme=scheme, result=result)
            self._telemetry.observe("fetch_seconds", self._clock.monotonic() - started, scheme=scheme)

    def _fetcher(self, url: str) -> tuple[str, Fetcher]:
        scheme, colon, _ = url.partition("://")
        scheme = scheme.lower()
        fetcher = self._fetchers.get(scheme)
        if fetcher is None:
            off = (
                f"{scheme[:20]!r} sources are off" if colon else "The source is a URL without a scheme such as https://"
            )
            raise SourceDenied(f"{off}; on are {', '.join(sorted(self._fetchers))}")
        return scheme, fetcher

    def _got(self, want: Want, known: Binding | None, fetched: Fetched, spool: Spool, asked_at: float) -> Got:
        binding = self._binding(want, known, fetched, spool, asked_at)
        if fetched.unchanged:
            return Got(binding)
        self._telemetry.count("fetch_bytes", spool.size, scheme=want.ref.url.partition("://")[0].lower())
        return Got(binding, spool.body(), spool.path)

    def _binding(self, want: Want, known: Binding | None, fetched: Fetched, spool: Spool, asked_at: float) -> Binding:
        # Counted from when it was asked for: what the answer took on its way is part of its age (RFC 9111, 4.2.3).
        said = Said(
            fetched.cache_control, fetched.expires, fetched.age_s, fetched.vary, fetched.set_cookie, fetched.versioned
        )
        fresh = judge(said, self._rules, asked_at)
        now = self._clock.now()
        return replace(
            known if fetched.unchanged and known else _of_body(want, known, spool),
            buster=want.ref.buster,
            forwarded=want.forwarded.digest,
            etag=fetched.etag,
            last_modified=fetched.last_modified,
            cache_control=fetched.cache_control,
            expires=fetched.expires,
            content_type=fetched.content_type,
            fetched_at=now,
            fresh_until=fresh.fresh_until,
            stale_until=fresh.stale_until,
            error_until=fresh.error_until,
            private=fresh.private or want.forwarded.private,
            ahead_s=ahead_s(now - asked_at, 1.0 - random.random()),  # noqa: S311 - no secret
        )


def _of_body(want: Want, known: Binding | None, spool: Spool) -> Binding:
    """Return a binding to what came; its header facts, if it is what was known."""
    digest = spool.digest
    info = known.info if known and known.digest == digest else None
    return Binding(tenant=want.tenant, url=want.ref.url, digest=digest, size=spool.size, info=info)

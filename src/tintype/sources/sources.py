"""The `Sources` port: bindings and bytes, kept, shared between concurrent callers, and asked for again when stale."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec
from msgspec.structs import replace

from tintype.admission.asker import Asker, Lane
from tintype.core.binding import Binding, binding_key
from tintype.core.entry import Scope, Selector
from tintype.core.errors import (
    DeadlinePassed,
    SourceBusy,
    SourceError,
    TintypeError,
)
from tintype.core.info import ImageInfo
from tintype.core.pipeline import SourceRef
from tintype.core.values import fingerprint
from tintype.kit.files import remove
from tintype.kit.filestore import FileStore, Put
from tintype.kit.flights import Flights
from tintype.kit.freshness import State, renews_at, state_of
from tintype.kit.recent import Recent
from tintype.ports import Clock, Forwarded, Telemetry
from tintype.sources.bindings import Bindings
from tintype.sources.mezzanines import Mezzanines
from tintype.sources.origins import Got, Origins, Want
from tintype.sources.purges import Purges
from tintype.sources.spool import Body, SourceLease

# Errors and private sources remembered; the oldest gives way.
_REMEMBERED = 10_000
# How long a source that was private is fetched for each caller alone, before it is tried together again. Seconds.
_PERSONAL_S = 60.0
# Bodies held open between a fetch and its use: each takes a descriptor, and disk once it is evicted.
_HELD = 256
# Fetched bodies are moved into the store this much later, or once there are so many: several cost little more than one,
# and are held open meanwhile. Seconds.
_LATER_S, _TOGETHER = 0.5, 32


@dataclass(frozen=True, slots=True)
class Memory:
    """How long what is remembered: seconds. `held_s` is how long a caller may take from `bind` to `open`."""

    stale_while_revalidate_s: float
    missing_s: float
    error_s: float
    held_s: float
    purges: int


@dataclass(frozen=True, slots=True)
class _Failure:
    tenant: str
    url: str
    error: SourceError


class _Held(msgspec.Struct, frozen=True):
    tenant: str
    url: str
    body: Body


class SourceStore:
    """See ports.Sources. What is private is fetched for its caller alone and held for a moment, never stored."""

    def __init__(
        self,
        origins: Origins,
        bindings: Bindings,
        bodies: FileStore,
        memory: Memory,
        clock: Clock,
        telemetry: Telemetry,
        close: Callable[[], Awaitable[None]],
    ) -> None:
        self._origins, self._bindings, self._bodies = origins, bindings, bodies
        self._memory, self._clock, self._telemetry, self._close = memory, clock, telemetry, close
        self._flights: Flights[Got] = Flights(clock.monotonic)
        self._purges = Purges(memory.purges)
        self._failures: Recent[_Failure] = Recent(_REMEMBERED)
        self._personal: Recent[bool] = Recent(_REMEMBERED)
        self._held: Recent[_Held] = Recent(_HELD)
        self._unstored: list[tuple[Got, int]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._storing: set[asyncio.Task[None]] = set()
        self.mezzanines = Mezzanines(bodies, self._purges, clock)

    async def bind(self, asker: Asker, ref: SourceRef, forwarded: Forwarded, *, assume_fresh_s: float = 0.0) -> Binding:
        """Return a binding; see the port."""
        want = Want(asker, ref, forwarded)
        known = None if forwarded.private else await self._bindings.get(want.key)
        if known is None:
            return (await self._ask(want, None)).binding
        match state_of(known, assume_fresh_s, self._clock.now()):
            case State.FRESH:
                if self._clock.now() >= renews_at(known, assume_fresh_s):
                    self._refresh(want, known)
                return known
            case State.STALE:
                self._refresh(want, known)
                return known
        return await self._revalidated(want, known)

    async def open(self, asker: Asker, binding: Binding, ref: SourceRef, forwarded: Forwarded) -> SourceLease:
        """Return the bytes of a binding; see the port."""
        held = self._held.get(_body_key(binding), self._clock.monotonic())
        if held is not None:
            return SourceLease(binding, held.body.reopen())
        if not binding.private:
            stored = await self._bodies.open(_body_key(binding))
            if stored is not None:
                return SourceLease(binding, stored)
        got = await self._ask(Want(asker, ref, forwarded), None)
        assert got.body is not None  # nothing was known, so nothing was confirmed
        return SourceLease(got.binding, got.body.reopen())

    def may_know(self, tenant: str, ref: SourceRef, forwarded: Forwarded) -> bool:
        """See port Acquainted."""
        key = binding_key(tenant, ref.url, ref.buster, forwarded.digest)  # all that is made of each of a flood
        return key in self._failures or self._flight(key, None) in self._flights or self._bindings.may_have(key)

    async def known(self, tenant: str, ref: SourceRef, forwarded: Forwarded) -> Binding | None:
        """See port Acquainted."""
        return None if forwarded.private else await self._bindings.get(Want(Asker(tenant), ref, forwarded).key)

    async def learn(self, binding: Binding, info: ImageInfo) -> Binding:
        """Keep header facts with a binding; see the port."""
        if not binding.private:
            await self._bindings.learn(binding.key, binding.digest, info)
        return replace(binding, info=info)

    async def drop(self, selector: Selector, *, soft: bool) -> int:
        """Forget bindings and bytes, or let them be stale; see the port. Fetches under way are not stored either."""
        self._purges.add(selector)
        self._store_now()
        self._forget(selector)
        # What is purged goes from the store as soon as it is there; until then it could be found.
        await asyncio.gather(*self._storing, return_exceptions=True)
        if soft:
            return await self._bindings.soften(selector, self._clock.now(), self._memory.stale_while_revalidate_s)
        dropped = await self._bindings.drop(selector)
        if selector.scope in (Scope.SOURCE, Scope.PREFIX, Scope.ALL):
            await self._bodies.drop(selector)
        return dropped

    async def close(self) -> None:
        """End fetches, finish writing what was fetched, and close what was opened."""
        await self._flights.close()
        self._store_now()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._held.sweep(float("inf"))
        self.mezzanines.let_go()
        await self._close()
        await self._bindings.close()
        await self._bodies.close()

    # Deciding

    async def _revalidated(self, want: Want, known: Binding) -> Binding:
        try:
            return (await self._ask(want, known)).binding
        except SourceError as error:
            if not error.forgivable or self._clock.now() >= known.error_until:
                raise
            # The host and no more of the URL: a query may hold a credential.
            self._telemetry.event("source_stale_served", tenant=want.tenant, host=want.ref.host, error=error.code)
            return known

    # Asking

    async def _ask(self, want: Want, known: Binding | None) -> Got:
        if want.forwarded.private:
            return await self._alone(want)
        now = self._clock.monotonic()
        failure = self._failures.get(want.key, now)
        if failure is not None:
            raise failure.error
        if self._personal.get(want.key, now):
            return await self._alone(want)
        return await self._together(want, known)

    async def _together(self, want: Want, known: Binding | None) -> Got:
        key = self._flight(want.key, known)
        own: Got | None = None

        async def start() -> Got:
            nonlocal own
            own = await self._fetch(want, known, lambda: self._flights.began(key))
            return own

        got = await self._flights.join(key, start, want.asker)
        if got is own:
            return got
        self._telemetry.count("fetches_joined")
        # What turned out to be one client's own is not for those who waited with it.
        return await self._alone(want) if got.binding.private else got

    async def _alone(self, want: Want) -> Got:
        try:
            async with asyncio.timeout(want.asker.deadline - self._clock.monotonic()):
                return await self._fetch(want, None, lambda: None)
        except TimeoutError:
            raise DeadlinePassed from None

    def _refresh(self, want: Want, known: Binding) -> None:
        """Ask in the background, for nobody in particular, unless that is under way or failed a moment ago."""
        if self._flight(want.key, known) in self._flights or self._failures.get(want.key, self._clock.monotonic()):
            return

        until = self._clock.monotonic() + self._memory.held_s
        nobody = replace(want.asker, lane=Lane.RENEWAL, deadline=until, firm=False)

        async def ask() -> None:
            with contextlib.suppress(TintypeError):
                await self._ask(Want(nobody, want.ref, want.forwarded), known)

        self._background(ask())

    def _flight(self, key: str, known: Binding | None) -> str:
        # Who asks after a purge shares nothing with those who asked before it.
        return f"{self._purges.count} {'new' if known is None else 'known'} {key}"

    async def _fetch(self, want: Want, known: Binding | None, began: Callable[[], None]) -> Got:
        mark = self._purges.count
        try:
            got = await self._origins.fetch(want, known, began)
        except SourceError as error:
            self._remember(want, error, mark)
            raise
        self._hold(got)
        if got.binding.private:
            await self._keep_out(want, got)
        elif self._purged(got.binding, mark):
            self._discard(got)
        else:
            self._keep(want, got, mark)
        return got

    # Keeping

    def _keep(self, want: Want, got: Got, mark: int) -> None:
        self._personal.forget(want.key)
        if got.path is not None:
            self._store_later(got, mark)
        self._bindings.put(got.binding)

    def _store_later(self, got: Got, mark: int) -> None:
        """Have a body moved into the store with those of the next moment; until then, and a while longer, it is held."""
        self._unstored.append((got, mark))
        if len(self._unstored) >= _TOGETHER:
            self._store_now()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER_S, self._store_now)

    def _store_now(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._unstored:
            new, self._unstored = self._unstored, []
            storing = self._background(self._store(new))
            self._storing.add(storing)
            storing.add_done_callback(self._storing.discard)

    async def _store(self, new: Sequence[tuple[Got, int]]) -> None:
        kept = await self._bodies.put_all([_put(got) for got, _ in new])
        for (got, mark), is_kept in zip(new, kept, strict=True):
            if not is_kept:
                self._discard(got)
                continue
            self._bodies.account(-got.binding.size)  # it counts as an entry now
            if self._purged(got.binding, mark):
                await self._bodies.drop(Selector(scope=Scope.KEY, value=_body_key(got.binding)))

    def _discard(self, got: Got) -> None:
        if got.path is not None:
            remove(got.path)
            self._bodies.account(-got.binding.size)

    async def _keep_out(self, want: Want, got: Got) -> None:
        self._discard(got)
        if not want.forwarded.private:
            self._personal.put(want.key, True, self._clock.monotonic() + _PERSONAL_S)
            await self._bindings.drop(Selector(scope=Scope.KEY, value=want.key))

    def _purged(self, binding: Binding, mark: int) -> bool:
        return self._purges.since(mark, binding.tenant, binding.key, binding.url)

    def _hold(self, got: Got) -> None:
        now = self._clock.monotonic()
        self._held.trim(now)
        if got.body is not None:
            held = _Held(got.binding.tenant, got.binding.url, got.body)
            self._held.put(_body_key(got.binding), held, now + self._memory.held_s)

    def _remember(self, want: Want, error: SourceError, mark: int) -> None:
        """Keep what an origin said, unless it was said to one caller, or before a purge. That we did not ask is no word of it."""
        purged = self._purges.since(mark, want.tenant, want.key, want.ref.url)
        if want.forwarded.private or purged or isinstance(error, SourceBusy):
            return
        lasts_s = min(self._memory.error_s, 1.0) if error.forgivable else self._memory.missing_s
        failure = _Failure(want.tenant, want.ref.url, error)
        self._failures.put(want.key, failure, self._clock.monotonic() + lasts_s)

    def _forget(self, selector: Selector) -> None:
        def named(what: _Failure | _Held) -> bool:
            return selector.matches(what.tenant, "", what.url, ())

        now = self._clock.monotonic()
        self._failures.sweep(now, named)
        self._held.sweep(now, named)
        self.mezzanines.let_go()

    def _background(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def _body_key(binding: Binding) -> str:
    """Return the key of a body: a tenant's, and if it is private, of this one binding."""
    return _key_of(binding.tenant, binding.digest, binding.key if binding.private else "")


@lru_cache(256)  # a miss asks for that of its source five times
def _key_of(tenant: str, digest: str, owner: str) -> str:
    return fingerprint(b"body", tenant.encode(), digest.encode(), owner.encode())


def _put(got: Got) -> Put:
    binding = got.binding
    assert got.path is not None  # it was fetched
    sha256 = bytes.fromhex(binding.digest)
    key, tenant, url = _body_key(binding), binding.tenant, binding.url
    return Put(key, got.path, tenant=tenant, source=url, sha256=sha256, size=binding.size)

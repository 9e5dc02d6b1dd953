"""Hosts: how much is asked of each at once, and whether it is asked at all; one that is slow or down holds up no other."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import msgspec

from tintype.admission.asker import Asker, Whose
from tintype.admission.costs.expect import Expectation
from tintype.admission.hosts.breaker import Breaker
from tintype.admission.hosts.limit import Limit
from tintype.admission.hosts.line import Line, Waiting
from tintype.admission.order.turns import Turns
from tintype.core.errors import SourceBusy, SourceDenied, SourceError, SourceFailed, SourceRefused, SourceSlow
from tintype.core.limits import Limits
from tintype.ports import Clock, Telemetry

# Hosts remembered; of those with nothing under way, the least recently asked is forgotten first.
_REMEMBERED = 1000


class Visit(msgspec.Struct):
    """One call while it is under way. `first_byte_s`: when the answer began, as far as that is known."""

    url: str
    started: float
    begun: int
    first_byte_s: float | None = None


@dataclass(slots=True)
class _Host:
    name: str
    limit: Limit
    line: Line[asyncio.Future[None]]
    breaker: Breaker = field(default_factory=Breaker)
    running: int = 0

    @property
    def idle(self) -> bool:
        return not self.running and not self.line

    @property
    def has_room(self) -> bool:
        return self.running < self.limit.calls


class _Stay:
    """What `Hosts.visit` holds."""

    __slots__ = ("_asked", "_hosts", "_stay")

    def __init__(self, hosts: Hosts, name: str, url: str, asker: Asker) -> None:
        self._hosts, self._asked = hosts, (name, url, asker)

    async def __aenter__(self) -> Visit:
        self._stay = await self._hosts.enter(*self._asked)
        return self._stay[1]

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        self._hosts.ended(*self._stay, error)


class Hosts:
    """Slots: so many of each host, and so many of all together. Who waits for a slow host holds none that another could use."""

    def __init__(self, limits: Limits, expected: Expectation, clock: Clock, telemetry: Telemetry) -> None:
        self._limits, self._expected, self._clock, self._telemetry = limits, expected, clock, telemetry
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._lined: dict[str, _Host] = {}  # before which somebody waits; whose turn was last is last
        self._turns = Turns()  # among hosts, where all slots are taken
        self._running = 0
        self._open = 0

    def __len__(self) -> int:
        """Hosts remembered."""
        return len(self._hosts)

    def visit(self, name: str, url: str, asker: Asker) -> AbstractAsyncContextManager[Visit]:
        """Hold a slot of a host; waits for it as long as the caller does, if it can be had by the asker's deadline.

        What is raised within tells how the host does.

        Raises:
            SourceBusy: the host has failed lately, or too many wait for it.
        """
        return _Stay(self, name, url, asker)

    async def enter(self, name: str, url: str, asker: Asker) -> tuple[_Host, Visit]:
        """Take a slot of a host. Raises as `visit`."""
        host = self._host(name)
        await self._slot(host, asker)
        try:
            return host, self._begin(host, url)
        except BaseException:
            self._leave(host)
            raise

    def free(self, name: str) -> bool:
        """Tell whether a host may be asked now, without a wait."""
        host = self._hosts.get(name)
        return self._has_slot(host) and not host.breaker.is_open if host else self._running < self._limits.fetches

    def ended(self, host: _Host, visit: Visit, error: BaseException | None) -> None:
        """Note how a visit went, and give its slot back."""
        try:
            self._judged(host, visit, error)
        finally:
            self._leave(host)

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            self._make_room()
            limit, line = Limit(self._limits.fetches_per_host), Line[asyncio.Future[None]](self._limits.fetch_queue)
            host = self._hosts[name] = _Host(name, limit, line)
        self._hosts.move_to_end(name)
        return host

    def _make_room(self) -> None:
        """Forget the host that was asked longest ago. One that is under way stays, and is bounded by what may be."""
        if len(self._hosts) >= _REMEMBERED:
            old = next((name for name, host in self._hosts.items() if host.idle), None)
            if old is not None and self._hosts.pop(old).breaker.is_open:
                self._opened(-1)

    # Slots

    async def _slot(self, host: _Host, asker: Asker) -> None:
        free = self._has_slot(host)
        if host.breaker.is_open and (not free or host.breaker.wait_s(self._clock.monotonic()) > 0):
            raise self._refused("open", self._resting(host))
        if free:
            self._take(host)
            return
        turn = self._join(host, asker)
        try:
            await turn.item
        except asyncio.CancelledError:
            if not self._left_line(host, turn) and not turn.item.cancelled() and turn.item.exception() is None:
                self._leave(host)  # its slot came, and too late
            raise

    def _has_slot(self, host: _Host) -> bool:
        return host.has_room and not host.line and self._running < self._limits.fetches

    def _join(self, host: _Host, asker: Asker) -> Waiting[asyncio.Future[None]]:
        """Put one in a host's line, where it may have another one leave. Raises SourceBusy."""
        fetch_s = self._expected.fetch_s(host.name)
        now, wait_s = self._clock.monotonic(), (host.line.ahead(asker) + 1) * fetch_s / host.limit.calls
        if now + wait_s + fetch_s > asker.deadline:
            raise self._full(host, asker)
        turn = Waiting(asyncio.get_running_loop().create_future(), asker, now)
        gone = host.line.join(turn)
        if gone is turn:
            raise self._full(host, asker)
        if gone is not None and not gone.item.done():
            gone.item.set_exception(self._full(host, gone.asker))
        self._lined[host.name] = host
        return turn

    def _left_line(self, host: _Host, turn: Waiting[asyncio.Future[None]]) -> bool:
        left = host.line.leave(turn)
        self._tidy(host)
        return left

    def _tidy(self, host: _Host) -> None:
        """Put a host behind the others that somebody waits for, or no longer among them."""
        self._lined.pop(host.name, None)
        if host.line:
            self._lined[host.name] = host

    def _take(self, host: _Host) -> None:
        host.running += 1
        self._running += 1

    def _leave(self, host: _Host) -> None:
        """Give a slot back, and what is free to those whose turn it is."""
        host.running -= 1
        self._running -= 1
        now = self._clock.monotonic()
        while self._running < self._limits.fetches and (next_ := self._next()) is not None:
            cost_s = self._expected.fetch_s(next_.name)
            turn = next_.line.next(now, cost_s)
            self._turns.served(turn.asker, cost_s)
            self._tidy(next_)
            if not turn.item.done():
                turn.item.set_result(None)
                self._take(next_)

    def _next(self) -> _Host | None:
        """Return the host that may be asked for whose turn it is, None: there is none."""
        hosts: dict[Whose, _Host] = {}
        for host in self._lined.values():
            if host.has_room:
                hosts.setdefault(host.line.first(), host)
        return hosts[self._turns.first(hosts)] if hosts else None

    def _full(self, host: _Host, asker: Asker) -> SourceBusy:
        ahead, fetch_s = round(host.line.ahead(asker)), self._expected.fetch_s(host.name)
        wait_s = (ahead + 1) * fetch_s / host.limit.calls
        why = (
            f"{ahead} of the {len(host.line)} fetches that wait for this source's host come first; it takes "
            f"{host.limit.calls} at once and {fetch_s:.2f} s for each; its turn would come in {wait_s:.1f} s"
        )
        return self._refused("full", SourceBusy(why, wait_s))

    def _refused(self, reason: str, busy: SourceBusy) -> SourceBusy:
        self._telemetry.count("origin_refusals", reason=reason)
        return busy

    # The breaker

    def _begin(self, host: _Host, url: str) -> Visit:
        now = self._clock.monotonic()
        begun = host.breaker.begin(now)
        if begun is None:
            raise self._refused("open", self._resting(host))
        return Visit(url, now, begun)

    def _resting(self, host: _Host) -> SourceBusy:
        wait_s = host.breaker.wait_s(self._clock.monotonic())
        return SourceBusy(f"The host of this source has failed again and again; it is tried in {wait_s:.1f} s", wait_s)

    def _judged(self, host: _Host, visit: Visit, error: BaseException | None) -> None:
        now, was_open = self._clock.monotonic(), host.breaker.is_open
        if error is None or _is_answer(error):
            host.breaker.succeeded(visit.begun)
        elif _is_failure(error):
            # An answer may be of this one URL; a host that cannot be reached or does not answer is that for all.
            of = visit.url if isinstance(error, SourceFailed) and error.origin_status else ""
            host.breaker.failed(visit.begun, now, random.random(), of)  # noqa: S311 - of pauses, no secret
        else:
            host.breaker.gave_up(visit.begun)
        self._learn(host, visit, error, now)
        if host.breaker.is_open is not was_open:
            self._changed(host, error)

    def _learn(self, host: _Host, visit: Visit, error: BaseException | None, now: float) -> None:
        failed = error is not None and _is_failure(error)
        if not failed and error is not None and not _is_answer(error):
            return
        took_s = now - visit.started
        self._expected.learn_fetch(host.name, took_s)
        if failed or (isinstance(error, SourceRefused) and error.origin_status == 429):
            host.limit.failed()
        else:
            host.limit.took(took_s if visit.first_byte_s is None else visit.first_byte_s, host.running, now)

    def _changed(self, host: _Host, error: BaseException | None) -> None:
        if not host.breaker.is_open:
            self._opened(-1)
            self._telemetry.event("origin_closed", host=host.name)
            return
        self._opened(1)
        self._telemetry.event(
            "origin_opened", host=host.name, error=error.code if isinstance(error, SourceError) else ""
        )
        for turn in host.line.clear():
            if not turn.item.done():
                turn.item.set_exception(self._refused("open", self._resting(host)))
        self._tidy(host)

    def _opened(self, by: int) -> None:
        self._open += by
        self._telemetry.gauge("origins_open", self._open)


def _is_failure(error: BaseException) -> bool:
    """Tell whether a host was at fault: it cannot be reached, does not answer, or says that it failed."""
    if isinstance(error, SourceFailed):
        return error.origin_status == 0 or error.origin_status >= 500
    return isinstance(error, SourceSlow)


def _is_answer(error: BaseException) -> bool:
    """Tell whether a host does its work, whatever came of it."""
    return isinstance(error, SourceError) and not _is_failure(error) and not isinstance(error, SourceDenied)

"""Hosts: how much is asked of each at once, and whether it is asked at all; one that is slow or down holds up no other."""

from __future__ import annotations

import asyncio
import random
from collections import OrderedDict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tintype.admission.breaker import Breaker
from tintype.admission.expect import Expectation
from tintype.admission.limit import Limit
from tintype.core.errors import SourceBusy, SourceDenied, SourceError, SourceFailed, SourceRefused, SourceSlow
from tintype.core.limits import Limits
from tintype.ports import Clock, Telemetry

# Hosts remembered; of those with nothing under way, the least recently asked is forgotten first.
_REMEMBERED = 1000
# When the first of a line has waited for so long, the last goes first: some are answered soon, rather than all late. Seconds.
_LONG_S = 1.0


@dataclass(slots=True)
class Visit:
    """One call while it is under way. `first_byte_s`: when the answer began, as far as that is known."""

    url: str
    started: float
    begun: int
    first_byte_s: float | None = None


@dataclass(slots=True, eq=False)
class _Turn:
    """One that waits, and since when."""

    since: float
    comes: asyncio.Future[None]


@dataclass(slots=True)
class _Host:
    limit: Limit
    breaker: Breaker = field(default_factory=Breaker)
    running: int = 0
    waiting: deque[_Turn] = field(default_factory=deque)

    @property
    def idle(self) -> bool:
        return not self.running and not self.waiting

    def leave(self, now: float) -> None:
        """Give a slot back, and what is free to those who wait."""
        self.running -= 1
        while self.waiting and self.running < self.limit.calls:
            overdue = now - self.waiting[0].since > _LONG_S
            turn = self.waiting.pop() if overdue else self.waiting.popleft()
            if not turn.comes.done():
                turn.comes.set_result(None)
                self.running += 1

    def turn_away(self) -> list[asyncio.Future[None]]:
        """Empty the line; returns who stood in it."""
        waiting = [turn.comes for turn in self.waiting if not turn.comes.done()]
        self.waiting.clear()
        return waiting


class Hosts:
    """A host's slot is taken first: who waits for a slow host holds no place that another host could use."""

    def __init__(self, limits: Limits, expected: Expectation, clock: Clock, telemetry: Telemetry) -> None:
        self._limits, self._expected, self._clock, self._telemetry = limits, expected, clock, telemetry
        self._all = asyncio.Semaphore(limits.fetches)
        self._hosts: OrderedDict[str, _Host] = OrderedDict()
        self._open = 0

    def __len__(self) -> int:
        """Hosts remembered."""
        return len(self._hosts)

    @asynccontextmanager
    async def visit(self, name: str, url: str, deadline: float) -> AsyncIterator[Visit]:
        """Hold a slot of a host; waits for it as long as the caller does, if it can be had by `deadline`.

        What is raised within tells how the host does.

        Raises:
            SourceBusy: the host has failed lately, or too many wait for it.
        """
        host = self._host(name)
        await self._slot(name, host, deadline)
        try:
            async with self._all:
                visit = self._begin(host, url)
                try:
                    yield visit
                except BaseException as error:
                    self._ended(name, host, visit, error)
                    raise
                self._ended(name, host, visit, None)
        finally:
            host.leave(self._clock.monotonic())

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            self._make_room()
            host = self._hosts[name] = _Host(Limit(self._limits.fetches_per_host))
        self._hosts.move_to_end(name)
        return host

    def _make_room(self) -> None:
        """Forget the host that was asked longest ago. One that is under way stays, and is bounded by what may be."""
        if len(self._hosts) >= _REMEMBERED:
            old = next((name for name, host in self._hosts.items() if host.idle), None)
            if old is not None and self._hosts.pop(old).breaker.is_open:
                self._opened(-1)

    # Slots

    async def _slot(self, name: str, host: _Host, deadline: float) -> None:
        free = host.running < host.limit.calls and not host.waiting
        if host.breaker.is_open and (not free or host.breaker.wait_s(self._clock.monotonic()) > 0):
            raise self._refused("open", self._resting(host))
        if free:
            host.running += 1
            return
        self._check_queue(name, host, deadline)
        turn = _Turn(self._clock.monotonic(), asyncio.get_running_loop().create_future())
        host.waiting.append(turn)
        try:
            await turn.comes
        except asyncio.CancelledError:
            if turn in host.waiting:
                host.waiting.remove(turn)
            elif not turn.comes.cancelled() and turn.comes.exception() is None:  # its slot came, and too late
                host.leave(self._clock.monotonic())
            raise

    def _check_queue(self, name: str, host: _Host, deadline: float) -> None:
        fetch_s = self._expected.fetch_s(name)
        wait_s = (len(host.waiting) + 1) * fetch_s / host.limit.calls
        full = len(host.waiting) >= self._limits.fetch_queue
        if full or self._clock.monotonic() + wait_s + fetch_s > deadline:
            why = (
                f"{len(host.waiting)} fetches wait for this source's host, which takes {host.limit.calls} at once and "
                f"{fetch_s:.2f} s for each; its turn would come in {wait_s:.1f} s"
            )
            raise self._refused("full", SourceBusy(why, wait_s))

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

    def _ended(self, name: str, host: _Host, visit: Visit, error: BaseException | None) -> None:
        now, was_open = self._clock.monotonic(), host.breaker.is_open
        if error is None or _is_answer(error):
            host.breaker.succeeded(visit.begun)
        elif _is_failure(error):
            # An answer may be of this one URL; a host that cannot be reached or does not answer is that for all.
            of = visit.url if isinstance(error, SourceFailed) and error.origin_status else ""
            host.breaker.failed(visit.begun, now, random.random(), of)  # noqa: S311 - of pauses, no secret
        else:
            host.breaker.gave_up(visit.begun)
        self._learn(name, host, visit, error, now)
        if host.breaker.is_open is not was_open:
            self._changed(name, host, error)

    def _learn(self, name: str, host: _Host, visit: Visit, error: BaseException | None, now: float) -> None:
        failed = error is not None and _is_failure(error)
        if not failed and error is not None and not _is_answer(error):
            return
        took_s = now - visit.started
        self._expected.learn_fetch(name, took_s)
        if failed or (isinstance(error, SourceRefused) and error.origin_status == 429):
            host.limit.failed()
        else:
            host.limit.took(took_s if visit.first_byte_s is None else visit.first_byte_s, host.running, now)

    def _changed(self, name: str, host: _Host, error: BaseException | None) -> None:
        if not host.breaker.is_open:
            self._opened(-1)
            self._telemetry.event("origin_closed", host=name)
            return
        self._opened(1)
        self._telemetry.event("origin_opened", host=name, error=error.code if isinstance(error, SourceError) else "")
        for waiting in host.turn_away():
            waiting.set_exception(self._refused("open", self._resting(host)))

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

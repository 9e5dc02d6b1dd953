"""A node in virtual time: the production deciders, seeded traffic, and workers that take as long as they are told to.

Whatever happens in it, what holds for every load is looked at after each event; what does not is told with the seed.
"""

from __future__ import annotations

import heapq
import itertools
import math
import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from msgspec.structs import replace

from tests.admission.loads import Stream, Work
from tintype.admission.asker import Asker, Lane
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Place, Queue, Rules
from tintype.admission.unread import Unread
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.scales import Patience
from tintype.core.errors import DeadlinePassed, Shed
from tintype.core.pipeline import Pipeline, SourceRef

IN_TIME_S = 1.0
PAUSE_S = (0.1, 0.3)  # of who tries again: shorter than any Retry-After
PATIENCE = Patience(crowd_s=0.5, burst_s=0.8)  # as shipped
_FEW = 6  # under way, of which each goes to the event loop unweighed
_LOOP_S = 0.002  # until that begins with it, when it has nothing else to do
_PLAIN = Pipeline(source=SourceRef(url=""))  # of who says nothing of what is asked for


@dataclass
class Outcome:
    """What became of the requests of one asker, or of one pipeline; waits in seconds from arrival to answer."""

    asked: int = 0
    answered: list[float] = field(default_factory=list)
    refused: int = 0
    given_up: int = 0
    done_ms: float = 0.0  # of work answered in time

    @property
    def in_time(self) -> int:
        return sum(wait <= IN_TIME_S for wait in self.answered)

    def percentile_s(self, percent: float) -> float:
        ordered = sorted(self.answered)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] if ordered else 0.0


@dataclass(eq=False)
class _Request:
    asker: Asker
    work: Work
    arrived: float
    again: Callable[[], None] | None = None  # if it is refused
    charge: Charge | None = None
    joined: list[_Request] = field(default_factory=list)  # who waits for the same result
    lost: int = 0  # workers that broke under it


class Simulation:
    """Runs streams of requests to an end. `at`: changes to the node at certain times, such as workers taken away.

    `front_s`: what a request takes of the event loop, half of it before its fetch and half after; one at a time.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        rules: Rules,
        *,
        seed: int,
        patience: Patience = PATIENCE,
        most: int = 10_000,
        front_s: float = 0.0,
    ) -> None:
        self.seed, self.rules, self.most, self.front_s = seed, rules, most, front_s
        self.rng = random.Random(seed)
        self.queue: Queue[_Request] = Queue(rules)
        self.backlog = Backlog(rules)
        self.expectation = Expectation(50.0)
        self.gate = Gate(self.backlog, self.expectation, patience, most=most)
        self.unread, self.refused_unread = Unread(self.gate), 0
        self.outcomes: dict[str, Outcome] = defaultdict(Outcome)
        self.free = rules.workers
        self.slowness = 1.0
        self.now = 0.0
        self.made = 0
        self._streams = streams
        self._flights: dict[str, _Request] = {}
        self._under_way: set[_Request] = set()  # in the event loop
        self._kept: set[str] = set()
        self._looked_at = float("-inf")
        self._loop_free_at = 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._number = itertools.count()

    def at(self, when: float, change: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._number), change))

    def run(self, until: float) -> dict[str, Outcome]:
        """Run until a time, and then until what was let in is done."""
        for stream in self._streams:
            self._arrive_next(stream, stream.begins_s, min(until, stream.ends_s))
        while self._events:
            self.now, _, event = heapq.heappop(self._events)
            event()
            self._dispatch()
            self._look()
        self._look_at_the_end()
        return self.outcomes

    def break_worker(self, away_s: float = 1.0) -> None:
        """Have a worker that does something die before it began with it; another one takes its place after a while."""
        place = next((place for place in self.queue.running if not place.item.lost), None)
        if place is None:
            return
        place.item.lost += 1
        self.queue.back(place)
        self.at(self.now + away_s, self._replaced)

    def _replaced(self) -> None:
        self.free += 1

    # A request's way

    def _arrive_next(self, stream: Stream, after: float, until: float) -> None:
        when = after + self.rng.expovariate(stream.per_s)
        if when < until:
            self.at(when, lambda: self._arrive(stream, until))

    def _arrive(self, stream: Stream, until: float) -> None:
        self._arrive_next(stream, self.now, until)
        self._ask(stream, stream.tries)

    def _ask(self, stream: Stream, tries: int) -> None:
        asker = replace(_of_its_own(stream.asker, next(self._number)), deadline=self.now + stream.patience_s)
        request = _Request(asker, stream.work(self.rng), self.now)
        if tries > 1:
            request.again = lambda: self._ask(stream, tries - 1)
        outcome = self._outcome(request)
        outcome.asked += 1
        if self._is_there(request):
            return
        least_s = 0.0
        if self.gate.shut(self.now) or len(self._under_way) >= _FEW:
            if self._turned_away(request):
                self._end(request, refused=True)
                return
            least_s = _LOOP_S
        self._under_way.add(request)
        self._in_loop(lambda: self._fetch(request), least_s)

    def _in_loop(self, then: Callable[[], None], least_s: float = 0.0) -> None:
        """Do half of what a request takes of the event loop, once that has done what came before."""
        self._loop_free_at = max(self.now + least_s, self._loop_free_at) + self.front_s / 2
        self.at(self._loop_free_at, then)

    def _turned_away(self, request: _Request) -> bool:
        """Refuse in the server's thread, as the web does."""
        asker = request.asker
        if self.unread.refused(asker.tenant, asker.client, asker.lane, self.now) is not None:
            self.refused_unread += 1
            return True
        shed = self.gate.hand_on(asker, "host", self.now, fetched=request.work.known)
        self.unread.read(asker, shed, self.now)
        return shed is not None

    def _fetch(self, request: _Request) -> None:
        """Begin in the event loop, as services and sources do."""
        if request.work.known:
            self._in_loop(lambda: self._render(request))
            return
        try:
            ticket = self.gate.fetch(request.asker, "host", self.now)
        except (Shed, DeadlinePassed):
            self._end(request, refused=True)
            return
        self.at(self.now + request.work.fetch_s, lambda: self._fetched(request, ticket))

    def _fetched(self, request: _Request, ticket: Charge) -> None:
        self.gate.fetched(ticket, self.now)
        self.expectation.learn_fetch("host", request.work.fetch_s)
        self._in_loop(lambda: self._render(request))

    def _render(self, request: _Request) -> None:
        work = request.work
        ms = self.expectation.of((work.kind, 0), work.predicted_ms)
        try:
            render = self.gate.render(replace(request.asker, invested=not work.known), ms, self.now)
        except (Shed, DeadlinePassed):
            self._end(request, refused=True)
            return
        request.charge = render
        self.queue.join(Place(request, request.asker, ms, work.peak_bytes, heavy=render.heavy), self.now)
        if request.asker.lane is INTERACTIVE:
            self._looked_at = self.now

    def _dispatch(self) -> None:
        for whose, cost_s in self.gate.owed().items():
            self.queue.owes(whose, cost_s)
        for place in self.queue.given_up(self.now):
            self._leave(place.item)
            self._end(place.item, given_up=True)
        while self.free > 0 and (turn := self.queue.next(self.now)) is not None:
            self._holds(self.now <= turn.asker.deadline, "work begins that nobody wants any more")
            self.queue.began(turn, self.now)
            if turn.item.charge is not None:
                self.gate.began(turn.item.charge, self.now)
            self.free -= 1
            took_ms = turn.item.work.takes_ms * self.slowness
            self.at(self.now + took_ms / 1000, self._ending(turn, took_ms))

    def _ending(self, place: Place[_Request], took_ms: float) -> Callable[[], None]:
        lost = place.item.lost

        def end() -> None:
            if place.item.lost != lost:
                return  # its worker has died
            self.free += 1
            self.queue.ended(place, self.now)
            request = place.item
            work = request.work
            self.gate.learn((work.kind, 0), work.predicted_ms, took_ms)
            if not work.known:
                self.expectation.likely.learn(request.asker, took_ms)
            self._leave(request)
            self.made += 1
            self._outcome(request).done_ms += work.takes_ms * (self.now - request.arrived <= IN_TIME_S)
            self._end(request)

        return end

    def _is_there(self, request: _Request) -> bool:
        """Answer at once what is kept, and join what is being made."""
        key = request.work.key
        if key in self._kept:
            self._outcome(request).answered.append(0.0)
        elif key in self._flights:
            self._flights[key].joined.append(request)
        elif key:
            self._flights[key] = request
            return False
        return bool(key)

    def _end(self, request: _Request, *, refused: bool = False, given_up: bool = False) -> None:
        """Tell who asked, and who joined, what became of it."""
        key = request.work.key
        self._flights.pop(key, None)
        self._under_way.discard(request)
        if key and not (refused or given_up):
            self._kept.add(key)
        for one in (request, *request.joined):
            outcome = self._outcome(one)
            outcome.refused += refused
            if refused and one.again is not None:
                self.at(self.now + self.rng.uniform(*PAUSE_S), one.again)
            outcome.given_up += given_up
            if not (refused or given_up):
                outcome.answered.append(self.now - one.arrived)

    # What holds for every load

    def _look(self) -> None:
        queue, rules = self.queue, self.rules
        running_bytes = sum(place.peak_bytes for place in queue.running)
        self._holds(len(queue.running) <= rules.workers, "more runs than there are workers")
        self._holds(len(queue.running) < 2 or running_bytes <= rules.memory_bytes, "more memory is taken than there is")
        self._holds(len(self.backlog) <= self.most, "more was let in than may be")
        self._holds(len(queue) <= len(self.backlog), "something waits that was not let in")
        idle = self.free and math.isinf(rules.memory_bytes)
        light = [place for place in queue.waiting if idle and not place.heavy]
        spared = self.free == 1 < rules.workers and self.now - self._looked_at <= rules.heavy_patience_s
        waits = any(place.asker.lane is INTERACTIVE or not spared for place in light)
        self._holds(not waits, "a worker is idle while work waits")

    def _look_at_the_end(self) -> None:
        self._holds(not self.queue.waiting and not self.queue.running and not self.backlog, "something is left")
        self._holds(self.free == self.rules.workers, "a worker was not given back")
        for name, one in self.outcomes.items():
            told = len(one.answered) + one.refused + one.given_up
            self._holds(one.asked == told, f"{name} asked {one.asked} times and heard {told} times")

    def _holds(self, holds: bool, otherwise: str) -> None:
        assert holds, f"seed {self.seed}, at {self.now:.3f} s: {otherwise}"

    def _leave(self, request: _Request) -> None:
        if request.charge is not None:
            self.gate.leave(request.charge)

    def _outcome(self, request: _Request) -> Outcome:
        asker = request.asker
        url = asker.pipeline.source.url.partition("?")[0] if asker.pipeline else ""
        return self.outcomes[f"{asker.tenant}/{url or asker.client}/{asker.lane.name}"]


def _of_its_own(asker: Asker, number: int) -> Asker:
    """Return who asks for a source that nobody has asked for yet."""
    pipeline = asker.pipeline or _PLAIN
    return replace(asker, pipeline=replace(pipeline, source=SourceRef(url=f"{pipeline.source.url}?{number}")))


INTERACTIVE, PREFETCH = Lane.INTERACTIVE, Lane.PREFETCH

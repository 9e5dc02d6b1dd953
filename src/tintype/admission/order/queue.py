"""The queue for workers: whose turn it is, and who has waited for nothing.

Turns go by lane, tenant and client, and within a client by heavy work and the rest, in fair shares of what it costs. Of these the
oldest is first; while work waits for too long, the newest, and what has waited longest is given up: its client is the
likeliest to have gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar

import msgspec

from tintype.admission.asker import Asker, Lane, Whose
from tintype.admission.order.fair import Fair
from tintype.admission.order.turns import Turns

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules, from the settings. Lower lanes leave one of several workers free while interactive work has come lately.

    Attributes:
        workers: how many pieces of work run at once.
        heavy_ms: work that takes longer is heavy: while other work has come lately, it leaves one worker to that, or where
            there is but one, waits behind it.
        heavy_patience_s: what lately means; with one worker also how long heavy work waits, and the rest between two of it.
        memory_bytes: what running work may take together; one piece alone may take more.
        target_s: how long work should wait at most. `interval_s`: when none has waited less for so long, there is too much.
    """

    workers: int
    heavy_ms: float = 500.0
    heavy_patience_s: float = 2.0
    memory_bytes: float = float("inf")
    target_s: float = 0.5
    interval_s: float = 1.0


class Place(msgspec.Struct, Generic[T], eq=False):
    """An item in the queue, or with a worker.

    `brief`: work that takes next to nothing, and goes first in its lane. `heavy`: by the rules, when it was let in.
    """

    item: T
    asker: Asker
    ms: float
    peak_bytes: float = 0.0
    brief: bool = False
    heavy: bool = False
    since: float = 0.0


@dataclass(slots=True)
class Queue(Generic[T]):
    """Places in order of arrival. Who bounds it is the gate."""

    rules: Rules
    waiting: list[Place[T]] = field(default_factory=list)
    running: set[Place[T]] = field(default_factory=set)
    running_bytes: float = 0.0  # of memory, taken together
    _running_heavy: int = 0
    _turns: Turns = field(default_factory=Turns)
    _sizes: Fair = field(default_factory=Fair)
    _good_at: float = 0.0  # when work last began that had not waited for long
    _heavy_ended: float = float("-inf")
    _light_came: float = float("-inf")
    _looked_at: float = float("-inf")  # when work last came that somebody looks at

    def __len__(self) -> int:
        return len(self.waiting)

    def join(self, place: Place[T], now: float) -> None:
        if not self.waiting:
            self._good_at = now
        place.since = now
        self.waiting.append(place)
        if not place.heavy and not place.brief:
            self._light_came = now
        if place.asker.lane is Lane.INTERACTIVE:
            self._looked_at = now

    def leave(self, place: Place[T]) -> bool:
        """Take a place out that nobody waits for any more; returns whether it was there."""
        if place not in self.waiting:
            return False
        self.waiting.remove(place)
        return True

    def began(self, place: Place[T], now: float) -> None:
        """Move a place from the queue to a worker."""
        self.waiting.remove(place)
        self.running.add(place)
        self.running_bytes += place.peak_bytes
        self._running_heavy += place.heavy
        if not self.waiting or now - place.since < self.rules.target_s:
            self._good_at = now
        self._turns.served(place.asker, place.ms / 1000)
        self._sizes.served(self._size(place), place.ms / 1000, 1.0)

    def owes(self, whose: Whose, cost_s: float) -> None:
        """Charge who asks for what it costs to refuse it; see `turns`."""
        self._turns.owes(whose, cost_s)

    def back(self, place: Place[T]) -> None:
        """Take a place back whose worker broke before it began; it came earlier than all others."""
        self._runs_no_more(place)
        self.waiting.insert(0, place)

    def ended(self, place: Place[T], now: float) -> None:
        """Note that a worker is done with a place."""
        if place in self.running and place.heavy:
            self._heavy_ended = now
        self._runs_no_more(place)

    def _runs_no_more(self, place: Place[T]) -> None:
        if place in self.running:
            self.running.remove(place)
            self.running_bytes = self.running_bytes - place.peak_bytes if self.running else 0.0
            self._running_heavy -= place.heavy

    def overloaded(self, now: float) -> bool:
        """Tell whether all work has waited for too long for a while."""
        return bool(self.waiting) and now - self._good_at > self.rules.interval_s

    def given_up(self, now: float) -> list[Place[T]]:
        """Take out and return what cannot be done by its deadline, and while there is too much, what waited too long."""
        if not self.waiting:
            return []
        overloaded = self.overloaded(now)

        def hopeless(place: Place[T]) -> bool:
            late = now + place.ms / 1000 > place.asker.deadline
            return late or (overloaded and not place.brief and now - place.since > self.rules.target_s)

        gone = [place for place in self.waiting if hopeless(place)]
        if gone:
            self.waiting = [place for place in self.waiting if place not in gone]
        return gone

    def next(self, now: float, kept: Callable[[T], bool] | None = None) -> Place[T] | None:
        """Return whose turn it is on a free worker, without taking it out; an item that is `kept` a worker goes first.

        None: nothing waits, or nothing that may begin before something else has ended.
        """
        # What waits alone before idle workers may begin, by every rule.
        may = self.waiting if len(self.waiting) == 1 and not self.running else list(self._may_begin(now))
        if len(may) < 2:
            return may[0] if may else None
        top = min(place.asker.lane for place in may)
        first = [place for place in may if kept is not None and kept(place.item)] or [
            place for place in may if place.brief and place.asker.lane is top
        ]
        if first:
            return first[0]
        turn = self._turns.first({place.asker.whose: None for place in may})
        may = [place for place in may if place.asker.whose == turn]
        size = self._sizes.first(self._size(place) for place in may)
        own = [place for place in may if self._size(place) == size]
        return own[-1 if self.overloaded(now) else 0]

    # What may begin

    def _may_begin(self, now: float) -> Iterator[Place[T]]:
        low_may = self._low_may(now)
        others = any(not place.heavy for place in self.waiting)
        for place in self.waiting:
            fits = not self.running or self.running_bytes + place.peak_bytes <= self.rules.memory_bytes
            if not fits and now - place.since > self.rules.target_s and not place.brief:
                return  # nobody overtakes it for ever
            may = fits and (low_may or place.asker.lane is Lane.INTERACTIVE)
            if may and (not place.heavy or self._heavy_may(place, now, alone=not others)):
                yield place

    def _low_may(self, now: float) -> bool:
        """Tell whether work of lower lanes may begin: a worker is left free, or what somebody looks at waits beside it.

        A worker cannot be taken back: were all with such work, who comes next would wait for one, however idle the node was.
        """
        spared = self.rules.workers - 1
        lately = now - self._looked_at <= self.rules.heavy_patience_s
        return (
            not spared
            or not lately
            or len(self.running) < spared
            or any(place.asker.lane is Lane.INTERACTIVE for place in self.waiting)
        )

    def _size(self, place: Place[T]) -> str:
        return f"{place.asker.tenant}\0{place.asker.client}\0{'heavy' if place.heavy else 'light'}"

    def _heavy_may(self, place: Place[T], now: float, *, alone: bool) -> bool:
        patience_s = self.rules.heavy_patience_s
        if self.rules.workers > 1:
            return self._running_heavy < self.rules.workers - 1 or (alone and now - self._light_came > patience_s)
        return alone or min(now - place.since, now - self._heavy_ended) >= patience_s

"""Backlog: the work that has been let in and is not done, by who asked for it, and how long it keeps a newcomer waiting."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from tintype.admission.asker import Asker, Lane, Whose
from tintype.admission.order.queue import Rules
from tintype.admission.order.turns import shared


class Charge(msgspec.Struct, eq=False):
    """Work that has been let in: whose it is, and the milliseconds of a worker that it is expected to take.

    `fetched`: its source is there, so that it needs nothing but a worker. `since` then it waits for one, for
    `wait_s` as predicted without corrections.
    """

    asker: Asker
    whose: Whose
    ms: float
    fetched: bool
    since: float = 0.0
    wait_s: float = 0.0
    heavy: bool = False  # by the rules, when it was let in


class Wait(NamedTuple):
    """How long new work would wait, in seconds, and the milliseconds that it counts as for that."""

    s: float
    usual_ms: float


class _Sum(msgspec.Struct):
    weight: float
    count: int = 0
    heavy: int = 0
    ms: float = 0.0
    light_ms: float = 0.0


_Ahead: TypeAlias = Sequence[tuple[Whose, _Sum]]


class Backlog:
    """The sum of charges, which workers work off by the rules.

    `slowness`: how many times as long as predicted work takes. What takes long as the machine is slow is not heavy for that.
    """

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        self.slowness = 1.0
        self._sums: dict[tuple[bool, Whose], _Sum] = {}
        self._charges: set[Charge] = set()

    def __len__(self) -> int:
        return len(self._charges)

    def add(self, asker: Asker, ms: float, *, fetched: bool) -> Charge:
        """Charge work to who asks for it, until it is taken off."""
        charge = Charge(asker, asker.whose, ms, fetched, heavy=self.heavy(ms))
        self._charges.add(charge)
        self._change(charge, 1)
        return charge

    def take_off(self, charge: Charge) -> None:
        """Take work off that is done, or will not be done; once is enough."""
        if charge in self._charges:
            self._charges.remove(charge)
            self._change(charge, -1)

    def _change(self, charge: Charge, sign: int) -> None:
        which = charge.fetched, charge.whose
        total = self._sums.get(which)
        if total is None:
            total = self._sums[which] = _Sum(charge.asker.weight)
        total.count += sign
        total.ms += sign * charge.ms
        total.heavy += sign * charge.heavy
        total.light_ms += sign * charge.ms * (not charge.heavy)
        if not total.count:
            del self._sums[which]

    def heavy(self, ms: float) -> bool:
        """Tell whether work of so many milliseconds is heavy."""
        return ms > self.rules.heavy_ms * self.slowness

    def count(self, asker: Asker) -> int:
        """Return how much work is of this tenant's client, whatever its size."""
        return sum(total.count for total in self._of(asker))

    def _usual_ms(self, asker: Asker, ms: float) -> float:
        """Return what work takes in the mean that is heavy as new work of so many milliseconds is, or not: its client's own.

        Where that has none, of all; with nothing there, it is the new work's own.
        """
        heavy = self.heavy(ms)
        return _mean(self._of(asker), heavy) or _mean(self._sums.values(), heavy) or ms

    def _of(self, asker: Asker) -> Iterator[_Sum]:
        """Yield what a tenant's client wants, in whichever lane."""
        who = asker.tenant, asker.client
        return (total for (_, whose), total in self._sums.items() if (whose.tenant, whose.client) == who)

    def wait(self, asker: Asker, ms: float, *, fetched: bool) -> Wait:
        """Predict how long new work of an asker would wait for a worker.

        Before it come its client's own work, and of what its tenant's other clients and the other tenants want in its lane
        and in those above, what their shares give them meanwhile. Heavy work delays the rest on all workers but one, in turn
        with it, and work that is still being fetched does not delay what is fetched. Lower lanes leave one of several workers
        free, and so have one less for their own. What is new counts as what its kind takes in the mean, heavy work or the rest:
        of a client's requests none waits longer than others for what it costs, though the more of that is under way.
        """
        workers = self._workers(asker)
        if len(self._charges) < workers:
            return Wait(0.0, ms)
        ahead = [
            (whose, total)
            for (there, whose), total in self._sums.items()
            if whose.lane <= asker.lane and (there or not fetched)
        ]
        if sum(total.count for _, total in ahead) < workers:
            return Wait(0.0, ms)
        ms = self._usual_ms(asker, ms)
        own, own_light = self._own(ahead, asker, ms)
        weights = {whose.tenant: total.weight for whose, total in ahead}
        wait_ms = (shared(_ms(ahead), weights, asker, own) - ms) / self.rules.workers
        if asker.lane is not Lane.INTERACTIVE:
            low = [(whose, total) for whose, total in ahead if whose.lane is not Lane.INTERACTIVE]
            own, _ = self._own(low, asker, ms)
            wait_ms = max(wait_ms, (shared(_ms(low), weights, asker, own) - ms) / workers)
        if not self.heavy(ms) and self.rules.workers > 1:
            light = ((whose, total.light_ms) for whose, total in ahead)
            wait_ms = min(wait_ms, shared(light, weights, asker, own_light) - ms)
        return Wait(wait_ms / 1000, ms)

    def _workers(self, asker: Asker) -> int:
        """Return how many may work for an asker."""
        return self.rules.workers if asker.lane is Lane.INTERACTIVE else max(1, self.rules.workers - 1)

    def _own(self, ahead: _Ahead, asker: Asker, ms: float) -> tuple[float, float]:
        """Return what a client's own work takes until new work is done, and of that, what is not heavy.

        Heavy work and the rest take turns by what they cost; on a single worker the rest waits for what is heavy and runs.
        """
        own = [total for whose, total in ahead if (whose.tenant, whose.client) == (asker.tenant, asker.client)]
        light = sum(total.light_ms for total in own)
        heavy = sum(total.ms for total in own) - light
        if self.rules.workers == 1:
            return light + heavy + ms, light + ms
        if self.heavy(ms):
            return heavy + ms + min(light, heavy + ms), light
        return light + ms + min(heavy, light + ms), light + ms


def _mean(sums: Iterable[_Sum], heavy: bool) -> float:
    count, ms = 0, 0.0
    for total in sums:
        count += total.heavy if heavy else total.count - total.heavy
        ms += total.ms - total.light_ms if heavy else total.light_ms
    return ms / count if count else 0.0


def _ms(ahead: _Ahead) -> Iterator[tuple[Whose, float]]:
    return ((whose, total.ms) for whose, total in ahead)

"""The gate: whether a miss may begin, by how long the work ahead of it will take."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from math import ceil

from tintype.admission.asker import Asker, Lane, Whose
from tintype.admission.costs.expect import Expectation, Kind, kind_of
from tintype.admission.pressure import Outlook
from tintype.admission.remembered import remember
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.handed import Handed
from tintype.admission.weighing.refusals import Next, Refusals, like
from tintype.admission.weighing.scales import AT_ONCE, Patience, Refusal, Scales
from tintype.admission.weighing.trials import Trials
from tintype.core.errors import DeadlinePassed, Shed
from tintype.core.plan import Plan

# Of those like what was refused, one is weighed at least so often, and as often as a worker becomes free. Seconds.
_WEIGHED_S = 0.02
# So often something is tried that its client has hardly time for: how long a host or a kind of work takes is known from
# what is let in. Seconds.
_TRIAL_S = 10.0
# What it takes of a processor to read and refuse one, while workers keep it busy: its share pays for it, whoever of it is read.
_REFUSAL_S = 0.0003


class Gate:
    """Lets work in while it will begin soon enough. It is left when the work is done, or will not be done.

    `most`: how much may be let in at once, however little it costs. `lock`: held over each decision, where more than one
    thread asks; a thread may take it again.
    """

    def __init__(
        self,
        backlog: Backlog,
        expected: Expectation,
        patience: Patience,
        *,
        most: int,
        lock: AbstractContextManager[object] | None = None,
    ) -> None:
        self.expected = expected
        self.rules = backlog.rules  # by which the work that is let in is done
        self._lock = nullcontext() if lock is None else lock
        self._backlog, self._scales = backlog, Scales(backlog, patience, most=most)
        self._refusals, self._trials, self._handed = Refusals(), Trials(_TRIAL_S), Handed(backlog)
        self._owed: dict[Whose, float] = {}

    def fetch(self, asker: Asker, host: str, now: float, *, waited_s: float = 0.0) -> Charge:
        """Return a ticket for a fetch and what will likely come of it. `waited_s`: so long it has waited for its host.

        Raises:
            Shed: there is none.
            DeadlinePassed: its client will have gone by then.
        """
        ms = self.expected.likely.ms(asker)
        with self._lock:
            self._handed.take_off(asker)
            found = self.admit(asker, ms, now, after_s=self.expected.fetch_s(host), waited_s=waited_s)
            if isinstance(found, Refusal) and found.late and self._trials.due(host, now):
                found = self._backlog.add(asker, ms, fetched=False)
            if isinstance(found, Refusal):
                raise self._noted(asker, ms, found, now)
        return found

    def fetched(self, ticket: Charge, now: float) -> None:
        """Keep a ticket whose fetch is done until a render of that source is weighed: it is on its way to a worker."""
        with self._lock:
            self._handed.add(ticket, now)

    def render(self, asker: Asker, ms: float, now: float) -> Charge:
        """Return a ticket for a render of so many milliseconds. Raises as `fetch`."""
        with self._lock:
            self._handed.take_off(asker)
            found = self.admit(asker, ms, now, fetched=True)
            if isinstance(found, Refusal):
                raise self._noted(asker, self.expected.likely.ms(asker), found, now, fetched=True)
        return found

    def look(self, asker: Asker) -> Charge | None:
        """Return a ticket for what will likely come of a header that is read, None: it has one. Nobody is refused this late."""
        with self._lock:
            if self._handed.has(asker, fetched=False) or self._handed.has(asker, fetched=True):
                return None
            return self._backlog.add(asker, self.expected.likely.ms(asker), fetched=True)

    def shut(self, now: float) -> bool:
        """Tell whether anything was refused a moment ago. From any thread."""
        return self._refusals.any(now)

    def weighs_next(self, tenant: str, client: str | None, lane: Lane, now: float) -> Next | None:
        """Return when one is weighed of those alike, None = none of them was refused lately. From any thread."""
        return self._refusals.next(tenant, client, lane, now)

    def has_many(self, asker: Asker) -> bool:
        """Tell whether more is under way that an asker's client wants than a browser asks for at once. From any thread."""
        with self._lock:
            return self._backlog.count(asker) > AT_ONCE

    def hand_on(self, asker: Asker, host: str, now: float, *, fetched: bool = False) -> Shed | None:
        """Return what is to be refused now, as others like it were or for want of room; None: let through, or too late.

        What is let through is charged until it comes to be weighed for itself; who wants what is charged for is let through
        for nothing. `let_go` ends the charge of who comes to nothing. `fetched`: its source is there, so that it wants nothing
        but a worker.
        """
        with self._lock:
            self._handed.forget(now)
            if self._handed.has(asker, fetched=fetched):
                return None
            ms = self.expected.likely.ms(asker)
            shed = self._refused(asker, ms, now, fetched=fetched) or self._no_room(
                asker, ms, host, now, fetched=fetched
            )
            if shed is None:
                self._handed.add(self._backlog.add(asker, ms, fetched=fetched), now)
        return shed

    def let_go(self, asker: Asker) -> None:
        """End what is charged for an asker, if it was not weighed."""
        with self._lock:
            self._handed.take_off(asker)

    def weigh_again(self, asker: Asker, host: str, now: float) -> Shed | None:
        """Return what a fetch is to be refused with before it waits for its host; what was handed on stays charged meanwhile."""
        ms = self.expected.likely.ms(asker)
        with self._lock:
            handed = self._handed.take_off(asker)
            shed = self._no_room(asker, ms, host, now, fetched=False)
            if handed and shed is None:
                self._handed.add(self._backlog.add(asker, ms, fetched=False), now)
        return shed

    def _refused(self, asker: Asker, ms: float, now: float, *, fetched: bool) -> Shed | None:
        """Return what a request was refused with a moment ago, for others like it but a few, which are to be weighed."""
        every_s = self._weighed_s(ms)
        found = self._refusals.of(asker, now, heavy=self._backlog.heavy(ms), fetched=fetched, every_s=every_s)
        if found is not None:
            self.owes(asker.whose)
        return found

    def _no_room(self, asker: Asker, ms: float, host: str, now: float, *, fetched: bool) -> Shed | None:
        """Return what a request would be refused with if it came now, None: it would not be, or for its deadline."""
        with self._lock:
            after_s = 0.0 if fetched else self.expected.fetch_s(host)
            found = self.weigh(asker, ms, now, after_s=after_s, fetched=fetched)
            error = self._noted(asker, ms, found, now, fetched=fetched) if isinstance(found, Refusal) else None
        return error if isinstance(error, Shed) else None

    def _weighed_s(self, ms: float) -> float:
        return min(_WEIGHED_S, ms / 1000 / self.rules.workers)

    def _noted(
        self, asker: Asker, ms: float, found: Refusal, now: float, *, fetched: bool = False
    ) -> Shed | DeadlinePassed:
        """Note a refusal. Who has no work here waits least of its tenant's clients: what is too long for it is so for all."""
        error = _error(found)
        if isinstance(error, Shed):  # the deadline of one says nothing of others
            self.owes(asker.whose)
            client = asker.client if self._backlog.count(asker) else None
            these = like(asker, client, heavy=self._backlog.heavy(ms), fetched=fetched)
            excess_s = found.wait_s - found.patience_s
            self._refusals.note(these, error, now, excess_s=excess_s, every_s=self._weighed_s(ms))
        return error

    def owed(self) -> dict[Whose, float]:
        """Return whom it has cost how much to refuse since this was asked last, in seconds."""
        with self._lock:
            owed, self._owed = self._owed, {}
        return owed

    def owes(self, whose: Whose, refusals: int = 1) -> None:
        """Note what it has cost to refuse somebody so often."""
        with self._lock:
            remember(self._owed, whose, self._owed.get(whose, 0.0) + refusals * _REFUSAL_S)

    def began(self, ticket: Charge, now: float) -> None:
        """Learn from a ticket for a render that a worker begins."""
        with self._lock:
            self._scales.began(ticket, now)

    def learn(self, kind: Kind, predicted_ms: float, took_ms: float) -> None:
        """Learn how long a worker had work that was predicted to take so long."""
        with self._lock:
            self.expected.learn(kind, predicted_ms, took_ms)
            self._backlog.slowness = self.expected.slowness

    def leave(self, ticket: Charge) -> None:
        with self._lock:
            self._backlog.take_off(ticket)

    def admit(
        self, asker: Asker, ms: float, now: float, *, after_s: float = 0.0, waited_s: float = 0.0, fetched: bool = False
    ) -> Charge | Refusal:
        """Charge work of so many milliseconds, or say why not. See `weigh`."""
        with self._lock:
            found = self.weigh(asker, ms, now, after_s=after_s, waited_s=waited_s, fetched=fetched)
            if isinstance(found, Refusal):
                return found
            charge = self._backlog.add(asker, ms, fetched=fetched)
            charge.since, charge.wait_s = now, self._scales.uncorrected(asker, ms, found, now)
            return charge

    def weigh(
        self, asker: Asker, ms: float, now: float, *, after_s: float = 0.0, waited_s: float = 0.0, fetched: bool = False
    ) -> float | Refusal:
        """Say how long work would wait for a worker, or why it would not be let in; see `Scales.weigh`."""
        with self._lock:
            self._handed.forget(now)
            return self._scales.weigh(asker, ms, now, after_s=after_s, waited_s=waited_s, fetched=fetched)

    def outlook(self, asker: Asker, ms: float, now: float) -> Outlook:
        """Return how a render of so many milliseconds would fare whose source is there; charges nothing.

        A page full of images is no overload: nobody is pressed in the first seconds of a burst.
        """
        with self._lock:  # the server's thread charges what it hands on
            fits = not isinstance(self.weigh(asker, ms, now, fetched=True), Refusal)
            return Outlook(fits, self._scales.presses(asker, ms, now))

    def in_time(self, asker: Asker, plan: Plan, now: float) -> None:
        """Check that a plan over what is fetched can be done by its asker's deadline.

        Raises:
            DeadlinePassed: it will hardly be.
        """
        kind = kind_of((plan,))
        ms = self.expected.of(kind, plan.cost.cpu_ms)
        with self._lock:
            done = now + self._scales.wait_s(asker, ms, now, fetched=True) + ms / 1000
        if done > asker.deadline and not self._trials.due(kind, now):
            raise _late(done - asker.deadline)


def _error(found: Refusal) -> Shed | DeadlinePassed:
    if found.late:
        return _late(found.late_s)
    why = (
        "as many renders as there may be are under way (limits.render_queue)"
        if found.full
        else f"it would wait {found.wait_s:.2f} s for a worker; {found.patience_s:.2f} s are allowed (admission)"
    )
    return Shed(why, retry_after_s=max(1.0, ceil(found.wait_s)), reason="full" if found.full else "wait")


def _late(late_s: float) -> DeadlinePassed:
    return DeadlinePassed(f"it would be done {late_s:.2f} s after the request's deadline; ask with more time")

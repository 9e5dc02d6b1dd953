"""Two threads ask the gate, the event loop's and the server's: whatever is asked, the backlog is looked at under the lock."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from types import TracebackType

import pytest

from tests.admission.test_gate import RULES, A
from tests.admission.test_handed import wants
from tintype.admission.asker import Asker
from tintype.admission.costs.expect import Expectation, kind_of
from tintype.admission.gate import Gate
from tintype.admission.weighing.backlog import Backlog, Charge, Wait
from tintype.admission.weighing.scales import Patience
from tintype.core.errors import Shed
from tintype.core.formats import Format
from tintype.core.plan import Cost, Load, Plan, Save

NOW = 10.0
LOAD, SAVE = Load(format=Format.JPEG, width=9, height=9), Save(format=Format.JPEG)
PLAN = Plan(load=LOAD, steps=(), save=SAVE, width=9, height=9, cost=Cost(cpu_ms=50.0))


class Lock:
    """A lock that tells whether it is held."""

    def __init__(self) -> None:
        self.held = 0

    def __enter__(self) -> None:
        self.held += 1

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.held -= 1


class Watched(Backlog):
    """A backlog that nobody may look at, or change, without the lock."""

    def __init__(self, lock: Lock) -> None:
        super().__init__(RULES)
        self.lock = lock

    def __len__(self) -> int:
        assert self.lock.held
        return super().__len__()

    def add(self, asker: Asker, ms: float, *, fetched: bool) -> Charge:
        assert self.lock.held
        return super().add(asker, ms, fetched=fetched)

    def take_off(self, charge: Charge) -> None:
        assert self.lock.held
        super().take_off(charge)

    def count(self, asker: Asker) -> int:
        assert self.lock.held
        return super().count(asker)

    def wait(self, asker: Asker, ms: float, *, fetched: bool) -> Wait:
        assert self.lock.held
        return super().wait(asker, ms, fetched=fetched)


def fetches(gate: Gate) -> None:
    gate.fetched(gate.fetch(wants(1), "host", NOW), NOW)


def renders(gate: Gate) -> None:
    ticket = gate.render(A, 50.0, NOW)
    gate.began(ticket, NOW)
    gate.leave(ticket)


def learns(gate: Gate) -> None:
    gate.learn(kind_of((PLAN,)), 50.0, 60.0)


def lets_go(gate: Gate) -> None:
    gate.hand_on(wants(3), "host", NOW)
    gate.let_go(wants(3))


ASKED: dict[str, Callable[[Gate], object]] = {
    "fetch": lambda gate: gate.fetch(wants(1), "host", NOW),
    "fetched": fetches,
    "render": renders,
    "look": lambda gate: gate.look(A),
    "has_many": lambda gate: gate.has_many(A),
    "hand_on": lambda gate: gate.hand_on(wants(2), "host", NOW),
    "let_go": lets_go,
    "weigh_again": lambda gate: gate.weigh_again(wants(2), "host", NOW),
    "learn": learns,
    "owes": lambda gate: gate.owes(A.whose),
    "owed": lambda gate: gate.owed(),
    "admit": lambda gate: gate.admit(A, 50.0, NOW),
    "weigh": lambda gate: gate.weigh(A, 50.0, NOW),
    "outlook": lambda gate: gate.outlook(A, 50.0, NOW),
    "in_time": lambda gate: gate.in_time(A, PLAN, NOW),
}


@pytest.mark.parametrize("what", ASKED)
@pytest.mark.parametrize("crowded", [False, True])
def test_all_that_a_gate_is_asked_it_answers_under_its_lock(what: str, *, crowded: bool) -> None:
    lock = Lock()
    gate = Gate(Watched(lock), Expectation(50.0), Patience(0.5, 0.8), most=1000, lock=lock)
    if crowded:
        for number in range(100, 112):
            gate.hand_on(wants(number), "host", NOW)
    with contextlib.suppress(Shed):
        ASKED[what](gate)
    assert lock.held == 0


def test_nothing_that_a_gate_is_asked_is_left_out() -> None:
    public = {name for name, value in vars(Gate).items() if callable(value) and not name.startswith("_")}
    assert public - {"leave", "shut", "weighs_next", "began"} == set(ASKED)

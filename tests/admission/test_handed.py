"""What is handed on is charged until it is weighed for itself, or for half a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.admission.test_gate import RULES, A
from tintype.admission.asker import Asker
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate, Patience, source_of
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.handed import Handed
from tintype.core.pipeline import Pipeline, SourceRef

SOURCES = st.sampled_from(["x", "y", "z"])
MOVES = st.lists(st.tuples(st.booleans(), SOURCES, st.floats(0, 0.3)), max_size=30)


def gate(backlog: Backlog) -> Gate:
    return Gate(backlog, Expectation(100.0), Patience(0.5, 0.5), most=1000)


def wants(number: int, tenant: str = "a") -> Asker:
    return Asker(tenant, pipeline=Pipeline(source=SourceRef(url=f"http://host/{number}.jpg")))


def test_a_burst_is_let_in_as_far_as_it_fits_before_any_of_it_is_weighed_for_itself() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    refused = [one.hand_on(wants(number), "host", 10.0) is not None for number in range(30)]
    let_in = refused.index(True)
    assert 0.5 <= let_in * 0.1 / RULES.workers <= 0.6
    assert all(refused[let_in:])
    came = [one.weigh_again(wants(number), "host", 10.2) for number in range(let_in)]
    assert came == [None] * let_in  # as many as fitted fit now, itself left out
    assert len(backlog) == let_in


def test_what_was_handed_on_is_charged_once_when_it_has_a_ticket() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    assert one.hand_on(wants(1), "host", 10.0) is None
    ticket = one.fetch(wants(1), "host", 10.1)
    assert len(backlog) == 1
    one.leave(ticket)
    assert len(backlog) == 0


def test_what_is_fetched_is_charged_until_it_is_weighed_for_a_worker() -> None:
    """Between the two the event loop has work with it, and others come."""
    backlog = Backlog(RULES)
    one = gate(backlog)
    one.fetched(one.fetch(wants(1), "host", 10.0), 10.1)
    assert len(backlog) == 1
    assert one.look(wants(1)) is None  # a header that is read on the way is nothing more
    one.leave(one.render(wants(1), 50.0, 10.2))
    assert len(backlog) == 0


def test_what_is_fetched_and_comes_to_nothing_is_let_go() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    one.fetched(one.fetch(wants(1), "host", 10.0), 10.1)
    one.fetched(one.fetch(wants(1), "host", 10.0), 10.1)  # by two who forward other headers
    assert len(backlog) == 1
    one.let_go(source_of(wants(1)))
    assert len(backlog) == 0
    assert isinstance(one.look(wants(1)), Charge)


def test_many_who_want_one_source_are_charged_once_and_none_of_them_is_refused() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    assert [one.hand_on(wants(1), "host", 10.0) for _ in range(100)] == [None] * 100
    assert len(backlog) == 1
    one.let_go(source_of(wants(1)))
    assert len(backlog) == 0


def test_what_does_not_come_is_forgotten_after_half_a_second() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    for number in range(30):
        one.hand_on(wants(number), "host", 10.0)
    assert one.hand_on(wants(30), "host", 10.4) is not None
    assert one.hand_on(wants(31, "b"), "host", 10.55) is None  # another tenant, of whom nobody was refused
    assert len(backlog) == 1


@given(MOVES)
def test_charges_are_of_those_that_did_not_come_and_are_not_old(moves: list[tuple[bool, str, float]]) -> None:
    backlog, now, there = Backlog(RULES), 0.0, dict[str, float]()
    handed = Handed(backlog)
    for comes, source, later in moves:
        now += later
        handed.forget(now)
        there = {each: until for each, until in there.items() if until > now}
        if comes:
            assert handed.take_off(source) is (there.pop(source, None) is not None)
        elif source not in handed:
            handed.add(source, backlog.add(A, 100.0, fetched=False), now)
            there[source] = now + 0.5
        assert len(backlog) == len(there)
        assert all(source in handed for source in there)

"""What is handed on is charged until it is weighed for itself, or for half a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.admission.test_gate import RULES
from tintype.admission.asker import Asker
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.handed import Handed
from tintype.admission.weighing.scales import Patience
from tintype.core.pipeline import Pipeline, Resize, SourceRef

MOVES = st.lists(
    st.tuples(st.booleans(), st.integers(1, 2), st.sampled_from([100, 200]), st.booleans(), st.floats(0, 0.3)),
    max_size=30,
)


def gate(backlog: Backlog) -> Gate:
    return Gate(backlog, Expectation(100.0), Patience(0.5, 0.5), most=1000)


def wants(number: int, tenant: str = "a", *, width: int = 100) -> Asker:
    return Asker(tenant, pipeline=Pipeline.of(SourceRef(url=f"http://host/{number}.jpg"), Resize(width=width)))


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


def test_of_a_burst_over_sources_that_are_there_no_more_is_let_in_than_workers_have_time_for() -> None:
    """Each result is a render of its own, of one source too."""
    backlog = Backlog(RULES)
    one = gate(backlog)
    each = [wants(1, width=width) for width in range(1, 31)]
    refused = [one.hand_on(asker, "host", 10.0, fetched=True) is not None for asker in each]
    let_in = refused.index(True)
    assert 0.5 <= let_in * 0.1 / RULES.workers <= 0.6
    assert all(refused[let_in:])
    tickets = [one.render(asker, 100.0, 10.2) for asker in each[:let_in]]  # as many as fitted fit now
    assert len(backlog) == let_in
    for ticket in tickets:
        one.leave(ticket)
    assert len(backlog) == 0


def test_who_wants_the_same_result_of_what_is_there_is_let_through_for_nothing() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    assert [one.hand_on(wants(1), "host", 10.0, fetched=True) for _ in range(100)] == [None] * 100
    assert len(backlog) == 1
    assert one.hand_on(wants(1, width=200), "host", 10.0, fetched=True) is None
    assert len(backlog) == 2
    assert one.look(wants(1)) is None  # a header that is read on the way is nothing more
    one.let_go(wants(1))
    one.let_go(wants(1, width=200))
    assert len(backlog) == 0


def test_what_was_thought_to_be_there_and_is_fetched_is_charged_once() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    one.hand_on(wants(1), "host", 10.0, fetched=True)
    assert one.weigh_again(wants(1), "host", 10.1) is None
    assert len(backlog) == 1
    one.fetched(one.fetch(wants(1), "host", 10.2), 10.3)
    one.leave(one.render(wants(1), 50.0, 10.4))
    assert len(backlog) == 0


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
    one.let_go(wants(1))
    assert len(backlog) == 0
    assert isinstance(one.look(wants(1)), Charge)


def test_many_who_want_one_source_are_charged_once_and_none_of_them_is_refused() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    assert [one.hand_on(wants(1), "host", 10.0) for _ in range(100)] == [None] * 100
    assert len(backlog) == 1
    one.let_go(wants(1))
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
def test_charges_are_of_those_that_did_not_come_and_are_not_old(
    moves: list[tuple[bool, int, int, bool, float]],
) -> None:
    backlog, now, there = Backlog(RULES), 0.0, dict[tuple[int, int], float]()
    handed = Handed(backlog)
    for comes, number, width, fetched, later in moves:
        asker, what = wants(number, width=width), (number, width if fetched else 0)
        now += later
        handed.forget(now)
        there = {each: until for each, until in there.items() if until > now}
        if comes:
            ended = [there.pop(each, None) for each in ((number, 0), (number, width))]
            assert handed.take_off(asker) is any(ended)
        elif not handed.has(asker, fetched=fetched):
            handed.add(backlog.add(asker, 100.0, fetched=fetched), now)
            there[what] = now + 0.5
        assert len(backlog) == len(there)
        assert handed.has(asker, fetched=fetched) is (what in there)

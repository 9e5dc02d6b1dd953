"""What is handed on is charged until it is weighed for itself, or for half a second."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.admission.test_gate import RULES, A, B
from tintype.admission.asker import Asker
from tintype.admission.backlog import Backlog
from tintype.admission.expect import Expectation
from tintype.admission.gate import Gate, Patience
from tintype.admission.handed import Handed

MOVES = st.lists(
    st.tuples(st.sampled_from(["add", "came"]), st.sampled_from([A, B]), st.booleans(), st.floats(0, 0.3)), max_size=30
)


def gate(backlog: Backlog) -> Gate:
    return Gate(backlog, Expectation(100.0), Patience(0.5, 0.5), most=1000)


def test_a_burst_is_let_in_as_far_as_it_fits_before_any_of_it_is_weighed_for_itself() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    refused = [one.hand_on(A, "host", 10.0) is not None for _ in range(30)]
    let_in = refused.index(True)
    assert 0.5 <= let_in * 0.1 / RULES.workers <= 0.6
    assert all(refused[let_in:])
    came = [
        one.weigh_again(A, "host", 10.2) for _ in range(let_in)
    ]  # as many of them as fitted fit now, itself left out
    assert came == [None] * let_in
    assert len(backlog) == let_in


def test_what_was_handed_on_is_charged_once_when_it_has_a_ticket() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    assert one.hand_on(A, "host", 10.0) is None
    with one.fetching(A, "host", 10.1):
        assert len(backlog) == 1
    assert len(backlog) == 0
    assert one.hand_on(A, "host", 11.0, fetched=True) is None
    ticket = one.render(A, 100.0, 11.1)
    assert len(backlog) == 1
    one.leave(ticket)
    assert len(backlog) == 0


def test_what_does_not_come_is_forgotten_after_half_a_second() -> None:
    backlog = Backlog(RULES)
    one = gate(backlog)
    while one.hand_on(A, "host", 10.0) is None:
        pass
    assert one.hand_on(A, "host", 10.4) is not None
    assert one.hand_on(B, "host", 10.55) is None  # another tenant, which nobody was refused of
    assert len(backlog) == 1


@given(MOVES)
def test_charges_are_of_those_that_did_not_come_and_are_not_old(moves: list[tuple[str, Asker, bool, float]]) -> None:
    backlog, now, there = Backlog(RULES), 0.0, list[tuple[float, Asker, bool]]()
    handed = Handed(backlog)
    for move, asker, fetched, later in moves:
        now += later
        there = [each for each in there if each[0] > now]
        if move == "add":
            handed.add(asker, 100.0, now, fetched=fetched)
            there.append((now + 0.5, asker, fetched))
        else:
            mine = [each for each in there if each[1:] == (asker, fetched)]
            assert handed.came(asker, now, fetched=fetched) is bool(mine)
            there.remove(mine[0]) if mine else None
        handed.forget(now)
        assert len(backlog) == len(there)

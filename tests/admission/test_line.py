"""The line before a host: whose turn it is, who has to leave a full one, and how long a newcomer would wait."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker, Lane
from tintype.admission.hosts.line import Line, Waiting

A = Asker("a")
PREFETCH = Asker("a", lane=Lane.PREFETCH)
ASKERS = st.builds(Asker, st.sampled_from("abc"), st.sampled_from(["", "x"]), st.sampled_from(Lane))


def line(*askers: Asker, most: int = 1000, at: float = 0.0) -> Line[str]:
    made: Line[str] = Line(most)
    for asker in askers:
        made.join(Waiting("", asker, at))
    return made


def turns(made: Line[str], now: float = 0.0) -> list[Asker]:
    return [made.next(now, 0.05).asker for _ in range(len(made))]


def test_one_client_is_served_in_order_of_arrival_until_its_first_has_waited_long() -> None:
    made, waiting = line(), [Waiting(name, A, number / 10) for number, name in enumerate("xyz")]
    for one in waiting:
        made.join(one)
    assert made.next(1.0, 0.05) is waiting[0]
    assert made.next(1.2, 0.05) is waiting[2]


def test_that_prefetches_have_waited_long_turns_nobody_else_around() -> None:
    made, waiting = line(*[PREFETCH] * 3), [Waiting(name, A, 2.0) for name in "xy"]
    for one in waiting:
        made.join(one)
    assert [one for one in (made.next(2.0, 0.05) for _ in range(5)) if one.asker is A] == waiting


def test_a_lane_goes_before_those_below_it_but_not_always() -> None:
    found = turns(line(*[PREFETCH] * 10, *[A] * 400))
    assert found[0] is A
    assert 1 <= found[:200].count(PREFETCH) <= 5


def test_tenants_and_clients_take_turns_by_weight() -> None:
    flood, heavy = Asker("flood"), Asker("heavy", weight=3.0)
    served = Counter(one.tenant for one in turns(line(*[flood] * 100, *[heavy] * 60, A))[:40])
    assert served["a"] == 1
    assert 27 <= served["heavy"] <= 31
    greedy, other = Asker("a", "greedy"), Asker("a", "other")
    assert other in turns(line(*[greedy] * 20, other))[:3]


def test_a_higher_lane_has_the_newest_of_the_lowest_leave_a_full_line() -> None:
    made, old, new = line(most=3), Waiting("old", PREFETCH, 0.0), Waiting("new", PREFETCH, 0.1)
    for one in (old, new, Waiting("", A, 0.2)):
        assert made.join(one) is None
    assert made.join(Waiting("", A, 0.3)) is new
    late = Waiting("late", PREFETCH, 0.4)
    assert made.join(late) is late
    assert made.join(Waiting("", A, 0.5)) is old
    last = Waiting("last", A, 0.6)
    assert made.join(last) is last
    assert len(made) == 3


def test_what_is_ahead_is_counted_by_whose_turn_it_is() -> None:
    made = line(*[PREFETCH] * 50, *[Asker("flood")] * 50, *[A] * 2)
    assert made.ahead(A) == 2 + 3  # its own, and as many of the other tenant's with them
    assert made.ahead(Asker("new")) == 2
    assert made.ahead(PREFETCH) == 102 + 1 - 1


def test_a_line_that_was_empty_owes_nobody_anything() -> None:
    made = line(*[Asker("flood")] * 3)
    turns(made)
    made.join(Waiting("", Asker("flood"), 0.0))
    assert made.leave(Waiting("", A, 0.0)) is False
    assert [one.asker.tenant for one in made.clear()] == ["flood"]
    assert len(made) == 0
    assert turns(line(A, Asker("flood")))[0] is A


@given(st.lists(ASKERS, max_size=60), st.integers(0, 12))
def test_a_full_line_is_left_by_who_has_the_least_right_to_it(askers: list[Asker], most: int) -> None:
    made: Line[int] = Line(most)
    held: list[Waiting[int]] = []
    for number, asker in enumerate(askers):
        one = Waiting(number, asker, float(number))
        gone = made.join(one)
        held.append(one)
        assert (gone is not None) == (len(held) > most)
        if gone is not None:
            low = [each for each in held if each.asker.lane is max(each.asker.lane for each in held)]
            wanted = Counter(each.asker.tenant for each in low)
            assert gone in low, "a lane loses nobody to one below it"
            assert wanted[gone.asker.tenant] == max(wanted.values()), "nor a tenant to one that wants more"
            like = [each for each in low if each.asker == gone.asker]
            assert gone is like[-1]
            held.remove(gone)
        assert len(made) == len(held)
    served = [made.next(0.0, 0.05) for _ in range(len(made))]
    assert sorted(one.item for one in served) == sorted(one.item for one in held)


@given(st.lists(ASKERS, max_size=40), ASKERS)
def test_nobody_waits_for_more_than_all(askers: list[Asker], asker: Asker) -> None:
    made = line(*askers)
    above = sum(one.lane <= asker.lane for one in askers)
    assert 0 <= made.ahead(asker) <= above
    own = sum(one.whose == asker.whose for one in askers)
    assert made.ahead(asker) >= own

"""Whose turn it is."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker, Lane
from tintype.admission.order.queue import Place, Queue, Rules

A = Asker("a")
PREFETCH = Asker("a", lane=Lane.PREFETCH)
RULES = Rules(workers=2, heavy_ms=250.0, heavy_patience_s=2.0, memory_bytes=1000.0, target_s=0.5, interval_s=1.0)
ASKERS = st.builds(Asker, st.sampled_from("abc"), st.sampled_from(["", "x"]), st.sampled_from(Lane))


def place(asker: Asker = A, ms: float = 50.0, *, peak_bytes: float = 0.0, brief: bool = False) -> Place[str]:
    return Place("", asker, ms, peak_bytes, brief, heavy=ms > RULES.heavy_ms)


PLACES = st.builds(place, ASKERS, st.sampled_from([5.0, 50.0, 900.0]), peak_bytes=st.sampled_from([0.0, 600.0]))


def queue(*places: Place[str], rules: Rules = RULES, at: float = 0.0) -> Queue[str]:
    made: Queue[str] = Queue(rules)
    for one in places:
        made.join(one, at)
    return made


def turns(line: Queue[str], now: float = 0.0) -> list[Place[str]]:
    """Let one worker do everything, each in no time."""
    found = []
    while (one := line.next(now)) is not None:
        line.began(one, now)
        line.ended(one, now)
        found.append(one)
    return found


def test_one_client_is_served_in_order_of_arrival() -> None:
    places = [place() for _ in range(5)]
    assert turns(queue(*places)) == places


def test_what_reads_a_header_goes_first() -> None:
    slow, brief = place(), place(brief=True)
    assert turns(queue(slow, brief)) == [brief, slow]


def test_what_an_idle_worker_is_kept_for_goes_first() -> None:
    places = [Place(name, A, 50.0) for name in "xyz"]
    assert queue(*places).next(0.0, lambda item: item == "z") is places[2]


def test_tenants_take_turns_whoever_came_first() -> None:
    flood, others = [place() for _ in range(20)], [place(Asker(name)) for name in "bc"]
    assert set(others) <= set(turns(queue(*flood, *others))[:4])


def test_tenants_get_what_their_weights_say() -> None:
    line = queue(*[place(Asker(name, weight=weight)) for _ in range(60) for name, weight in (("a", 1.0), ("b", 3.0))])
    served = Counter(one.asker.tenant for one in turns(line)[:40])
    assert served["b"] == pytest.approx(30, abs=1)


def test_clients_of_one_tenant_take_turns() -> None:
    greedy, other = [place(Asker("a", "greedy")) for _ in range(20)], place(Asker("a", "other"))
    assert other in turns(queue(*greedy, other))[:3]


def test_a_lane_goes_before_those_below_it_but_not_always() -> None:
    low = [place(Asker("a", lane=Lane.PREFETCH)) for _ in range(10)]
    high = [place() for _ in range(400)]
    found = turns(queue(*low, *high))
    assert found[0] in high
    assert found.index(low[0]) < 100  # nobody starves
    assert sum(one in low for one in found[:200]) <= 5


def test_lower_lanes_leave_a_worker_free_while_somebody_looks() -> None:
    low, other, high = place(PREFETCH), place(PREFETCH), place()
    line = queue(high, rules=RULES)
    line.began(high, 0.0)
    line.ended(high, 0.1)
    line.join(low, 0.1)
    line.join(other, 0.1)
    assert line.next(0.1) is low
    line.began(low, 0.1)
    assert line.next(2.0) is None
    assert line.next(2.1) is other  # nobody has looked for a while
    line.join(high, 2.1)
    assert line.next(2.1) is high


def test_lower_lanes_have_their_share_of_workers_that_none_is_free_of() -> None:
    """Where what somebody looks at waits too, leaving a worker free would only have lower lanes starve."""
    line = queue(*[place() for _ in range(400)], *[place(PREFETCH) for _ in range(10)])
    served = []
    for number in range(200):
        one = line.next(0.0)
        assert one is not None
        line.began(one, 0.0)
        served.append(one)
        if number:  # both workers are busy from now on
            line.ended(served[number - 1], 0.0)
    assert 1 <= sum(one.asker is PREFETCH for one in served) <= 5


def test_what_reads_a_header_waits_for_the_lanes_above() -> None:
    brief, high = place(PREFETCH, brief=True), place()
    assert turns(queue(brief, high)) == [high, brief]


@given(st.lists(st.tuples(ASKERS, st.sampled_from([5.0, 50.0])), max_size=30), st.integers(2, 5))
def test_a_lower_lane_never_takes_the_last_worker_but_beside_what_waits(
    askers: list[tuple[Asker, float]], workers: int
) -> None:
    line = queue(place(), rules=Rules(workers=workers))
    for asker, ms in askers:
        line.join(place(asker, ms), 0.0)
        looked_at = any(one.asker.lane is Lane.INTERACTIVE for one in line.waiting)
        one = line.next(0.0)
        if one is None or len(line.running) == workers:
            line.ended(next(iter(line.running)), 0.0)
            continue
        line.began(one, 0.0)
        assert one.asker.lane is Lane.INTERACTIVE or looked_at or len(line.running) < workers


@given(st.lists(PLACES, max_size=20), st.lists(st.integers(0, 2), max_size=60))
def test_what_runs_is_known_without_a_look_at_each(places: list[Place[str]], moves: list[int]) -> None:
    line = queue(*places)
    for move in moves:
        if move == 0 and line.waiting:
            line.began(line.waiting[-1], 0.0)
        elif line.running:
            one = next(iter(line.running))
            line.back(one) if move == 1 else line.ended(one, 0.0)
            line.ended(one, 0.0)  # once is enough
        assert line.running_bytes == sum(one.peak_bytes for one in line.running)
        assert line._running_heavy == sum(one.heavy for one in line.running)


# Too much


def test_work_that_waits_too_long_is_overload_and_the_newest_is_first() -> None:
    line = queue(*[place() for _ in range(4)])
    late = place()
    line.join(late, 2.0)
    assert line.overloaded(2.0)
    assert line.next(2.0) is late
    assert not queue(place()).overloaded(0.9)


def test_what_has_waited_too_long_is_given_up_while_there_is_too_much() -> None:
    old, brief, new = place(), place(brief=True), place()
    line = queue(old, brief)
    line.join(new, 2.0)
    assert line.given_up(2.0) == [old]
    assert line.waiting == [brief, new]


def test_what_begins_in_time_is_no_overload() -> None:
    line = queue(place(), place())
    line.began(line.waiting[0], 0.4)
    assert not line.overloaded(1.3)
    assert line.given_up(1.3) == []


@pytest.mark.parametrize(("deadline", "gone"), [(1.04, True), (1.06, False)])
def test_what_cannot_be_done_by_its_deadline_is_given_up(deadline: float, gone: bool) -> None:
    one = place(Asker("a", deadline=deadline))
    assert queue(one).given_up(1.0) == ([one] if gone else [])


# Heavy work, and memory


def test_heavy_work_leaves_a_worker_to_the_rest() -> None:
    heavy, light = [place(ms=900.0) for _ in range(2)], place()
    line = queue(*heavy, light)
    line.began(heavy[0], 0.0)
    assert line.next(0.0) is light
    line.began(light, 0.0)
    assert line.next(0.1) is None
    assert line.next(2.1) is heavy[1]  # no other work has come for a while
    line.ended(heavy[0], 0.1)
    assert line.next(0.1) is heavy[1]


def test_heavy_work_and_the_rest_of_a_client_take_turns_by_what_they_cost() -> None:
    heavy, light = [place(ms=900.0) for _ in range(3)], [place(ms=30.0) for _ in range(70)]
    found = turns(queue(*heavy, *light))
    assert [found.index(one) for one in heavy] == pytest.approx([0, 31, 62], abs=2)


def test_where_there_is_one_worker_heavy_work_waits_but_not_for_ever() -> None:
    alone = Rules(workers=1, heavy_ms=250.0, heavy_patience_s=2.0)
    heavy = place(ms=900.0)
    line = queue(heavy, *[place() for _ in range(3)], rules=alone)
    assert line.next(1.9) is not heavy
    light = [one for one in line.waiting if one is not heavy]
    for one in light:
        line.leave(one)
    assert line.next(0.0) is heavy  # nothing else is there


def test_what_does_not_fit_into_memory_waits_and_is_not_overtaken_for_ever() -> None:
    big, bigger, small = place(peak_bytes=700.0), place(peak_bytes=5000.0), place(peak_bytes=100.0)
    line = queue(big, bigger, small)
    line.began(big, 0.0)
    assert line.next(0.0) is small
    assert line.next(0.6) is None
    line.ended(big, 0.6)
    assert line.next(0.6) is bigger  # alone it may take more


@given(st.lists(PLACES, max_size=12), st.integers(1, 4))
def test_whatever_comes_is_served_once_and_bounds_hold(places: list[Place[str]], workers: int) -> None:
    rules = Rules(workers=workers, heavy_ms=250.0, memory_bytes=1000.0)
    line, found, now = queue(*places, rules=rules), [], 0.0
    while line.waiting or line.running:
        one = line.next(now) if len(line.running) < workers else None
        if one is None:
            assert line.running or now < 10, "work waits, and nothing runs"
            if line.running:
                line.ended(next(iter(line.running)), now)
            now += 0.5
            continue
        line.began(one, now)
        found.append(one)
        assert len(line.running) == 1 or sum(each.peak_bytes for each in line.running) <= 1000
    assert len(found) == len(places)
    assert set(found) == set(places)


def test_work_that_comes_back_is_the_first_of_its_client() -> None:
    first, second = place(), place()
    line = queue(first, second)
    line.began(first, 0.0)
    line.back(first)
    assert line.waiting == [first, second]
    assert line.leave(first)
    assert not line.leave(first)

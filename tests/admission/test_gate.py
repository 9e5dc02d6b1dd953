"""What the work ahead means for a newcomer, and who is let in."""

from __future__ import annotations

import contextlib
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tintype.admission.asker import Asker, Lane
from tintype.admission.costs.expect import Expectation, kind_of
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.weighing.backlog import Backlog, Charge
from tintype.admission.weighing.scales import Patience, Refusal
from tintype.admission.weighing.trials import Trials
from tintype.core.errors import DeadlinePassed, Shed
from tintype.core.formats import Format
from tintype.core.plan import Cost, Load, Plan, Save

A, B = Asker("a"), Asker("b")
RULES = Rules(workers=2, heavy_ms=250.0)
WEIGHTS = {"a": 1.0, "b": 1.0, "c": 3.0}
ASKERS = st.builds(
    lambda tenant, client, lane: Asker(tenant, client, lane, WEIGHTS[tenant]),
    st.sampled_from("abc"),
    st.sampled_from(["", "x", "y"]),
    st.sampled_from(Lane),
)
WORK = st.lists(st.tuples(ASKERS, st.floats(1, 2000), st.booleans()), max_size=20)


def load(*work: tuple[Asker, float], workers: int = 2, heavy_ms: float = 250.0) -> Backlog:
    made = Backlog(Rules(workers, heavy_ms))
    for asker, ms in work:
        made.add(asker, ms, fetched=True)
    return made


@given(WORK, st.randoms())
def test_what_is_taken_off_leaves_nothing(work: list[tuple[Asker, float, bool]], random: object) -> None:
    whole = Backlog(RULES)
    charges = [whole.add(asker, ms, fetched=fetched) for asker, ms, fetched in work]
    random.shuffle(charges)  # type: ignore[attr-defined]
    for charge in charges:
        whole.take_off(charge)
        whole.take_off(charge)  # once is enough, twice is harmless
    assert len(whole) == 0
    assert whole.wait(A, 10, fetched=True).s == 0
    assert not whole._sums


@given(WORK, ASKERS, st.floats(1, 2000))
def test_nobody_waits_for_longer_than_all_the_work_takes(
    work: list[tuple[Asker, float, bool]], asker: Asker, ms: float
) -> None:
    whole = Backlog(RULES)
    for one, took, fetched in work:
        whole.add(one, took, fetched=fetched)
    workers = RULES.workers - (asker.lane is not Lane.INTERACTIVE)  # one is left to what somebody looks at
    together = sum(took for _, took, _ in work) / workers / 1000
    assert 0 <= whole.wait(asker, ms, fetched=False).s <= together + 1e-9
    assert whole.wait(asker, ms, fetched=True).s <= whole.wait(asker, ms, fetched=False).s + 1e-9


def test_a_free_worker_is_waited_for_by_nobody() -> None:
    assert load((A, 5000.0)).wait(A, 5000.0, fetched=True).s == 0.0


def test_own_work_is_waited_for_and_others_only_for_a_fair_share() -> None:
    flood = load(*[(A, 100.0)] * 40)
    assert flood.wait(A, 100, fetched=True).s == pytest.approx(2.0)
    assert flood.wait(B, 100, fetched=True).s == pytest.approx(0.05)  # one of theirs for one of its own
    both = load(*[(A, 100.0)] * 40, (B, 100.0))
    assert both.wait(B, 100, fetched=True).s == pytest.approx(0.15)


def test_a_tenant_of_more_weight_waits_less() -> None:
    heavier = Asker("b", weight=3.0)
    both = load(*[(A, 100.0)] * 40, *[(heavier, 100.0)] * 4)
    assert both.wait(heavier, 100, fetched=True).s == pytest.approx((0.4 + 0.5 / 3) / 2)


def test_clients_of_one_tenant_share_it() -> None:
    greedy, other = Asker("a", "greedy"), Asker("a", "other")
    both = load(*[(greedy, 100.0)] * 40, (other, 100.0))
    assert both.wait(other, 100, fetched=True).s == pytest.approx(0.15)
    assert both.wait(greedy, 100, fetched=True).s == pytest.approx(2.05)


def test_lower_lanes_are_not_waited_for() -> None:
    prefetch = Asker("a", lane=Lane.PREFETCH)
    busy = load(*[(prefetch, 100.0)] * 40)
    assert busy.wait(A, 100, fetched=True).s == 0.0
    assert load(*[(A, 100.0)] * 40).wait(prefetch, 100, fetched=True).s == pytest.approx(2.0)


def test_lower_lanes_wait_for_one_worker_less() -> None:
    prefetch = Asker("a", lane=Lane.PREFETCH)
    assert load(*[(prefetch, 100.0)] * 4).wait(prefetch, 100, fetched=True).s == pytest.approx(0.4)
    assert load(*[(prefetch, 100.0)] * 4, workers=1).wait(prefetch, 100, fetched=True).s == pytest.approx(0.4)
    assert load(*[(prefetch, 100.0)] * 4, workers=5).wait(prefetch, 100, fetched=True).s == pytest.approx(0.1)
    assert load(*[(A, 100.0)] * 4, (prefetch, 100.0)).wait(prefetch, 100, fetched=True).s == pytest.approx(0.25)


def test_heavy_work_leaves_a_worker_to_the_rest() -> None:
    heavy = load(*[(A, 2000.0)] * 4, (A, 50.0))
    assert heavy.wait(A, 50, fetched=True).s == pytest.approx(0.05)
    assert heavy.wait(A, 2000, fetched=True).s == pytest.approx(4.025)
    assert load((A, 2000.0), (A, 50.0), workers=1).wait(A, 50, fetched=True).s == pytest.approx(2.05)


# The gate


def test_what_takes_long_as_the_machine_is_slow_is_not_heavy_for_that() -> None:
    whole = load()
    door = gate(whole)
    assert door.render(A, 400, 0.0).heavy
    for _ in range(100):
        door.learn(("jpeg", 5), 50.0, 100.0)
    slow = door.render(A, 400, 0.0)
    assert not slow.heavy
    door.learn(("jpeg", 5), 50.0, 1.0)
    door.leave(slow)
    assert door.render(A, 501, 0.0).heavy


def gate(whole: Backlog, most: int = 1000) -> Gate:
    return Gate(whole, Expectation(50.0), Patience(0.25, 0.25), most=most)


def test_who_would_wait_too_long_is_refused_and_told_how_long() -> None:
    refused = gate(load(*[(A, 100.0)] * 10)).admit(A, 50, 0.0)
    assert isinstance(refused, Refusal)
    assert refused.wait_s == pytest.approx(0.5)


def test_a_burst_is_what_somebody_looks_at() -> None:
    door = Gate(load(*[(A, 100.0)] * 12), Expectation(50.0), Patience(0.5, 1.0), most=1000)
    assert isinstance(door.admit(Asker("a", lane=Lane.PREFETCH), 50, 0.0), Refusal)
    assert isinstance(door.admit(A, 50, 0.0), Charge)


def test_what_was_fetched_for_it_may_wait_longer() -> None:
    invested = replace(A, invested=True)
    for works, let_in in ((7, True), (20, False)):
        whole = load(*[(A, 100.0)] * works)
        assert isinstance(gate(whole).admit(A, 50, 0.0, fetched=True), Refusal)
        assert isinstance(gate(whole).admit(invested, 50, 0.0, fetched=True), Charge) is let_in


def test_work_ahead_is_worked_off_while_a_slow_origin_is_waited_for() -> None:
    whole = load(*[(A, 100.0)] * 20)
    assert isinstance(gate(whole).admit(A, 50, 0.0, after_s=0.6), Refusal)  # which is a part of the wait
    assert isinstance(gate(whole).admit(A, 50, 0.0, after_s=0.9), Charge)
    assert isinstance(gate(load(*[(A, 100.0)] * 4)).admit(A, 50, 0.0, after_s=0.1), Charge)


def test_what_was_waited_for_a_host_counts_where_no_worker_is_free() -> None:
    assert isinstance(gate(load(*[(A, 100.0)] * 4)).admit(A, 50, 0.0, waited_s=0.09), Charge)
    assert isinstance(gate(load(*[(A, 100.0)] * 4)).admit(A, 50, 0.0, waited_s=0.11), Refusal)
    assert isinstance(gate(load((A, 100.0))).admit(A, 50, 0.0, waited_s=5.0), Charge)


@pytest.mark.parametrize(("deadline", "let_in"), [(10.14, False), (10.16, True), (9.0, False)])
def test_what_cannot_be_done_by_its_deadline_is_refused(deadline: float, let_in: bool) -> None:
    asker = Asker("a", deadline=deadline)
    assert isinstance(gate(load((A, 100.0), (A, 100.0))).admit(asker, 50, 10.0), Charge) is let_in


def test_where_a_worker_is_free_a_prediction_is_no_reason_to_refuse() -> None:
    asker = Asker("a", deadline=11.0)
    assert isinstance(gate(load()).admit(asker, 60_000, 10.0), Charge)
    assert isinstance(gate(load()).admit(asker, 60_000, 11.1), Refusal)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_what_a_browser_asks_for_at_once_is_let_in_however_long_it_takes(workers: int) -> None:
    door = gate(load(workers=workers))
    assert all(isinstance(door.admit(A, 1000, 0.0), Charge) for _ in range(6))
    assert not all(isinstance(door.admit(A, 1000, 0.0), Charge) for _ in range(6))


def test_what_is_dear_waits_no_longer_among_cheap_work_than_that_does() -> None:
    among = gate(load(*[(A, 10.0)] * 40, workers=1))
    assert isinstance(among.admit(A, 200, 0.0), Refusal)
    assert isinstance(among.admit(A, 10, 0.0), Refusal)
    alike = gate(load(*[(A, 200.0)] * 2, workers=1))
    assert isinstance(alike.admit(A, 200, 0.0), Charge)


def test_a_crowd_may_wait_longer_at_first_and_again_once_it_is_over() -> None:
    door = Gate(load(*[(A, 100.0)] * 12), Expectation(50.0), Patience(0.5, 1.0), most=1000)

    def let_in(now: float, asker: Asker = A) -> bool:
        found = door.admit(asker, 50, now)
        if isinstance(found, Charge):
            door.leave(found)
        return isinstance(found, Charge)

    times = [0.0, 0.9, 1.1, 3.0, 4.9, 7.0, 7.9, 8.1]
    assert [let_in(now) for now in times] == [True, True, False, False, False, True, True, False]


def test_how_much_is_let_in_is_bounded() -> None:
    small = gate(load(), most=3)
    assert [isinstance(small.admit(A, 0.0, 0.0), Charge) for _ in range(4)] == [True, True, True, False]


@given(st.lists(st.floats(1, 400), min_size=1, max_size=200), st.integers(1, 8))
def test_the_work_let_in_is_bounded_and_workers_never_idle_for_it(costs: list[float], workers: int) -> None:
    whole = Backlog(Rules(workers, math.inf))
    door = gate(whole)
    let_in = [ms for ms in costs if isinstance(door.admit(A, ms, 0.0), Charge)]
    assert sum(let_in) / workers / 1000 <= max(0.25, 6 * 0.4 / workers) + max(costs) * max(1, workers) / workers / 1000
    if len(let_in) < len(costs):
        assert len(let_in) >= workers


def test_a_render_that_is_refused_is_remembered_for_others_like_it() -> None:
    full = gate(load(*[(B, 100)] * 20))
    assert not full.shut(10.0)
    with pytest.raises(Shed) as refused:
        full.render(B, 10, 10.0)
    assert full.shut(10.0)
    assert full.hand_on(B, "host", 10.001, fetched=True) is refused.value
    assert full.hand_on(B, "host", 10.001) is not refused.value  # what is to be fetched may find room when it has been
    assert full.hand_on(A, "host", 10.001, fetched=True) is not refused.value


def test_what_it_costs_to_refuse_is_told_once_by_whose_it_was() -> None:
    full = gate(load(*[(B, 100)] * 20))
    assert full.hand_on(B, "host", 10.0) is not None
    assert sum(full.hand_on(B, "host", 10.0 + turn / 1e5) is not None for turn in range(999)) == 999
    assert full.owed() == {B.whose: pytest.approx(1000 * 0.0003)}
    assert full.owed() == {}


def test_who_has_waited_longer_than_predicted_is_expected_to_again() -> None:
    door = Gate(load(*[(B, 100.0)] * 8), Expectation(50.0), Patience(0.5, 0.5), most=1000)
    for _ in range(100):
        ticket = door.render(B, 50.0, 10.0)
        door.began(ticket, 11.0)
        door.leave(ticket)
        if isinstance(door.weigh(B, 50.0, 10.0, fetched=True), Refusal):
            break
    refused = door.weigh(B, 50.0, 11.0, fetched=True)
    assert isinstance(refused, Refusal)
    assert 0.5 < refused.wait_s < 1.0
    assert isinstance(door.weigh(A, 50.0, 11.0, fetched=True), float)


# Deadlines of clients


def firm(left_s: float) -> Asker:
    return Asker("a", deadline=10.0 + left_s, firm=True)


def test_a_firm_deadline_that_cannot_be_met_is_refused_even_by_an_idle_node() -> None:
    idle = gate(load())
    with pytest.raises(DeadlinePassed, match=r"0\.05 s after"):
        idle.fetch(firm(0.05), "new", 10.0)  # 50 ms to fetch, and 50 to render
    assert not idle.shut(10.0)  # says nothing of others
    idle.fetch(firm(0.2), "new", 10.0)
    assert isinstance(idle.admit(firm(0.06), 50, 10.0, fetched=True), Charge)
    late = idle.admit(firm(0.04), 50, 10.0, fetched=True)
    assert isinstance(late, Refusal)
    assert late.late_s == pytest.approx(0.01)
    assert isinstance(idle.admit(Asker("a", deadline=10.04), 50, 10.0, fetched=True), Charge)  # a bound of the node


def test_who_would_wait_too_long_anyway_is_told_of_the_load() -> None:
    busy = gate(load(*[(A, 100.0)] * 10))
    with pytest.raises(Shed, match=r"0\.30 s are allowed") as refused:
        busy.fetch(firm(0.3), "new", 10.0)
    assert busy.hand_on(A, "new", 10.0) is refused.value


def test_a_plan_is_held_against_a_deadline_by_what_waits_and_what_it_takes() -> None:
    load_, save = Load(format=Format.JPEG, width=9, height=9), Save(format=Format.JPEG)
    plan = Plan(load=load_, steps=(), save=save, width=9, height=9, cost=Cost(cpu_ms=100.0))
    gate(load()).in_time(firm(0.11), plan, 10.0)
    with pytest.raises(DeadlinePassed):
        gate(load()).in_time(firm(0.09), plan, 10.0)
    with pytest.raises(DeadlinePassed):
        gate(load(*[(A, 100.0)] * 4)).in_time(firm(0.11), plan, 10.0)
    slow = gate(load())
    for _ in range(50):
        slow.expected.learn(kind_of((plan,)), 100.0, 300.0)
    with pytest.raises(DeadlinePassed):
        slow.in_time(firm(0.2), plan, 10.0)


def test_what_predictions_tell_against_is_tried_now_and_then_so_that_they_are_put_right() -> None:
    idle, let_in = gate(load()), list[float]()
    for at in range(10, 41):
        asker = Asker("a", deadline=at + 0.05, firm=True)
        with contextlib.suppress(DeadlinePassed):
            idle.leave(idle.fetch(asker, "slow", float(at)))
            let_in.append(at)
    assert let_in == [20, 30, 40]
    with pytest.raises(DeadlinePassed):
        idle.fetch(firm(0.05), "another", 10.0)


@given(st.lists(st.tuples(st.integers(0, 2000), st.floats(0, 3)), max_size=200))
def test_trials_are_rare_whoever_asks_for_them(asked: list[tuple[int, float]]) -> None:
    trials, now, last = Trials(10.0), 0.0, dict[int, float]()
    for name, pause in asked:
        now += pause
        if trials.due(name, now):
            assert now - last[name] >= 10.0
            last[name] = now
        last.setdefault(name, now)

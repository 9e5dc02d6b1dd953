"""What costs most: bounded, and never wrong by more than it says."""

from __future__ import annotations

from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.top import Top

ADDED = st.lists(st.tuples(st.integers(0, 30), st.floats(0.1, 1000), st.floats(0, 500)), max_size=200)


@given(ADDED, st.integers(1, 12))
def test_costs_are_true_within_what_they_may_be_over_and_the_dear_are_kept(
    added: list[tuple[int, float, float]], most: int
) -> None:
    top: Top[int] = Top(most, half_life_s=100.0)
    true: defaultdict[int, float] = defaultdict(float)
    now = 1000.0
    for name, amount, pause_s in added:
        now += pause_s
        for known in true:
            true[known] *= 0.5 ** (pause_s / 100.0)
        top.add(name, amount, now)
        true[name] += amount
    assert len(top) <= most
    found = dict(top.first(most, now))
    for name, cost in found.items():
        assert cost.amount - cost.over <= true[name] * (1 + 1e-6) + 1e-9
        assert true[name] <= cost.amount * (1 + 1e-6) + 1e-9
    share = sum(true.values()) / most
    assert {name for name, amount in true.items() if amount > share * (1 + 1e-6)} <= found.keys()


def test_the_dearest_come_first_and_as_many_as_asked_for() -> None:
    top: Top[str] = Top(5)
    for name, amount in (("a", 1.0), ("b", 30.0), ("c", 2.0), ("a", 4.0)):
        top.add(name, amount, 0.0)
    assert [(name, cost.amount) for name, cost in top.first(2, 0.0)] == [("b", 30.0), ("a", 5.0)]


def test_costs_fade_by_half_and_for_years_without_running_over() -> None:
    top: Top[str] = Top(5, half_life_s=600.0)
    top.add("old", 80.0, 0.0)
    assert top.first(1, 1200.0)[0][1].amount == pytest.approx(20.0)
    year_s = 365 * 86_400.0
    for at in range(20):
        top.add("new", 1.0, at * year_s)
    name, cost = top.first(1, 19 * year_s)[0]
    assert name == "new"
    assert cost.amount == pytest.approx(1.0)
    assert top.first(1, 40 * year_s)[0][1].amount == pytest.approx(0.0)

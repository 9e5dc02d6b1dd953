"""Fair shares among names."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.order.fair import Fair

COSTS = st.lists(st.floats(0.01, 1.0), min_size=2, max_size=5)
WEIGHTS = st.lists(st.sampled_from([1.0, 2.0, 5.0]), min_size=5, max_size=5)


@given(COSTS, WEIGHTS)
def test_names_that_always_want_something_get_their_shares(costs: list[float], weights: list[float]) -> None:
    fair, had = Fair(), Counter[str]()
    names = [str(n) for n in range(len(costs))]
    for _ in range(2000):
        name = fair.first(names)
        fair.served(name, costs[int(name)], weights[int(name)])
        had[name] += costs[int(name)]  # type: ignore[assignment]  # a Counter of seconds
    shares = [had[name] / weights[int(name)] for name in names]
    assert max(shares) - min(shares) <= 2 * max(costs)


def test_a_name_that_had_nothing_to_do_does_not_save_up() -> None:
    fair = Fair()
    for _ in range(100):
        fair.served("busy", 1.0, 1.0)
    turns = []
    for _ in range(10):
        name = fair.first(["busy", "back"])
        fair.served(name, 1.0, 1.0)
        turns.append(name)
    assert Counter(turns) == {"busy": 5, "back": 5}


def test_a_name_that_comes_back_is_next() -> None:
    fair = Fair()
    fair.served("busy", 5.0, 1.0)
    fair.served("busy", 5.0, 1.0)
    assert fair.first(["busy", "back"]) == "back"


def test_who_owes_goes_behind_others_until_they_have_had_as_much() -> None:
    fair = Fair()
    for _ in range(100):
        fair.owes("flood", 0.01, most=5.0)
    turns = []
    for _ in range(6):
        turns.append(fair.first(["flood", "one", "two"]))
        fair.served(turns[-1], 0.3, 1.0)
    assert "flood" not in turns
    assert fair.first(["flood"]) == "flood"  # nobody else wants anything


@given(st.lists(st.floats(0.0, 10.0), max_size=50), st.floats(0.1, 5.0))
def test_what_is_owed_is_bounded(costs: list[float], most: float) -> None:
    """Work of others that goes first, by what each costs."""
    fair = Fair()
    fair.served("other", 0.1, 1.0)
    for cost in costs:
        fair.owes("flood", cost, most)
    had = 0.0
    while fair.first(["other", "flood"]) == "other":
        fair.served("other", 0.1, 1.0)
        had += 0.1
    assert had <= most + 0.1 + 1e-6


def test_what_is_remembered_is_bounded() -> None:
    fair = Fair()
    for number in range(25_000):
        fair.served(str(number), 1.0, 1.0)
        fair.owes(f"owes {number}", 1.0, most=1.0)
    assert len(fair._tags) <= 10_000

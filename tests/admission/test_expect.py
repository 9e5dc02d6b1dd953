"""Predictions and what becomes of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.costs.expect import Expectation

JPEG, AVIF = ("jpeg", 3), ("avif", 5)


@pytest.mark.parametrize("wrong", [0.2, 5.0])
def test_a_kind_that_is_mispredicted_is_corrected_within_fifty_pieces_of_work(wrong: float) -> None:
    expected = Expectation(50.0)
    for _ in range(50):
        expected.learn(AVIF, 100.0 * wrong, 100.0)
    assert expected.of(AVIF, 100.0 * wrong) == pytest.approx(100.0, rel=0.05)


def test_a_kind_that_was_never_seen_is_as_wrong_as_all_are() -> None:
    expected = Expectation(50.0)
    for _ in range(200):
        expected.learn(JPEG, 50.0, 100.0)  # somebody else has half of the machine
    assert expected.of(AVIF, 400.0) == pytest.approx(800.0, rel=0.05)


def test_kinds_are_told_apart() -> None:
    expected = Expectation(50.0)
    for _ in range(100):
        expected.learn(JPEG, 50.0, 50.0)
        expected.learn(AVIF, 50.0, 200.0)
    assert expected.of(JPEG, 50.0) == pytest.approx(50.0, rel=0.1)
    assert expected.of(AVIF, 50.0) == pytest.approx(200.0, rel=0.1)


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), max_size=50))
def test_a_correction_is_bounded(measured: list[tuple[float, float]]) -> None:
    expected = Expectation(50.0)
    for predicted, took in measured:
        expected.learn(JPEG, predicted, took)
    assert 100 * 0.125 <= expected.of(JPEG, 100.0) <= 100 * 16


def test_fetches_follow_what_is_measured() -> None:
    expected = Expectation(50.0)
    for _ in range(100):
        expected.learn_fetch("slow", 2.0)
    assert expected.fetch_s("slow") == pytest.approx(2.0, rel=0.05)
    assert expected.fetch_s("another") < 0.1


def test_what_is_remembered_is_bounded() -> None:
    expected = Expectation(50.0)
    for number in range(3000):
        expected.learn(("jpeg", number), 1.0, 1.0)
        expected.learn_fetch(f"host{number}", 1.0)
    assert len(expected._kinds) == len(expected._hosts) == 1000


def test_a_machine_is_slow_where_most_kinds_of_work_take_longer_than_predicted() -> None:
    expected = Expectation(50.0)
    assert expected.slowness == 1.0
    for name in ("a", "b", "c"):
        learn(expected, name, 3.0)
    assert expected.slowness == pytest.approx(3.0, rel=0.01)
    for name, ratio in (("a", 0.5), ("b", 0.5), ("c", 8.0)):
        learn(expected, name, ratio)
    assert expected.slowness == 1.0  # one that is mispredicted does not make it slow, nor is it ever fast
    for number in range(10):
        learn(expected, f"late {number}", 2.0)
    assert expected.slowness == pytest.approx(2.0, rel=0.01)


def learn(expected: Expectation, name: str, ratio: float) -> None:
    for _ in range(100):
        expected.learn((name, 0), 10.0, 10.0 * ratio)

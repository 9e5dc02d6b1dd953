"""How much longer than predicted work waits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker, Lane
from tintype.admission.weighing.waits import Kind, Waits

A, B = (Asker("a").whose, False), (Asker("b").whose, False)
HEAVY, LATER = (Asker("a").whose, True), (Asker("a", lane=Lane.PREFETCH).whose, False)


def after(*learnt: tuple[Kind, float, float], times: int = 50) -> Waits:
    """Return what is known after work of kinds, by predicted and real seconds, that began within a second."""
    waits = Waits()
    for turn in range(times):
        for kind, predicted_s, took_s in learnt:
            waits.learn(kind, predicted_s, took_s, turn / times)
    return waits


def test_who_waits_twice_as_long_as_predicted_is_expected_to() -> None:
    assert after((A, 0.3, 0.6)).factor(A, 1.0) == pytest.approx(2.0, rel=0.1)


def test_a_single_one_tells_little() -> None:
    assert after((A, 0.3, 0.9), times=1).factor(A, 1.0) < 1.2


def test_kinds_are_told_apart() -> None:
    waits = after((A, 0.3, 0.9), (B, 0.3, 0.3))
    assert waits.factor(A, 1.0) > 2
    assert waits.factor(B, 1.0) == waits.factor(HEAVY, 1.0) == waits.factor(LATER, 1.0) == 1.0


def test_a_short_wait_tells_nothing() -> None:
    """A worker that is free a moment later than predicted is no sign of being overtaken."""
    assert after((A, 0.01, 0.1)).factor(A, 1.0) == 1.0


def test_it_is_forgotten_when_nothing_has_waited_for_a_while() -> None:
    waits = after((A, 0.3, 0.9))
    assert waits.factor(A, 60.0) == 1.0
    waits.learn(A, 0.3, 0.9, 60.0)
    assert waits.factor(A, 60.0) < 1.2


@given(st.lists(st.tuples(st.floats(0, 1e3), st.floats(0, 1e3)), max_size=50))
def test_a_factor_is_bounded(learnt: list[tuple[float, float]]) -> None:
    assert 1.0 <= after(*((A, *one) for one in learnt), times=2).factor(A, 1.0) <= 4.0

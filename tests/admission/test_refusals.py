"""Refusals lately: what is like them is refused unweighed, but for a few."""

from __future__ import annotations

import pytest

from tintype.admission.asker import Asker, Lane
from tintype.admission.weighing.refusals import Refusals, like
from tintype.core.errors import Shed

EVERY_S = 0.01
LIKE = like(Asker("a"), None, heavy=False, fetched=False)


def refused(
    lately: Refusals,
    now: float,
    asker: Asker = Asker("a"),  # noqa: B008 - frozen
    *,
    heavy: bool = False,
    fetched: bool = False,
) -> bool:
    return lately.of(asker, now, heavy=heavy, fetched=fetched, every_s=EVERY_S) is not None


@pytest.fixture
def lately() -> Refusals:
    lately = Refusals()
    lately.note(LIKE, Shed("wait"), 10.0, excess_s=0.0, every_s=EVERY_S)
    return lately


def test_of_a_crowd_one_is_weighed_in_every_interval(lately: Refusals) -> None:
    weighed = [ms for ms in range(95) if not refused(lately, 10.0 + ms / 1000)]
    assert weighed == [10, 20, 30, 40, 50, 60, 70, 80, 90]


def test_a_refusal_is_forgotten_soon(lately: Refusals) -> None:
    assert lately.any(10.49)
    assert not lately.any(10.51)
    assert not any(refused(lately, 10.51) for _ in range(5))


def test_none_is_weighed_before_there_is_room_but_for_no_longer_than_a_moment() -> None:
    for excess_s, first in ((0.05, 50), (30.0, 100)):
        lately = Refusals()
        lately.note(LIKE, Shed("wait"), 10.0, excess_s=excess_s, every_s=EVERY_S)
        assert next(ms for ms in range(200) if not refused(lately, 10.0 + ms / 1000)) == first


def test_a_client_of_its_own_is_refused_by_itself() -> None:
    lately = Refusals()
    own = like(Asker("a", "x"), "x", heavy=False, fetched=False)
    lately.note(own, Shed("wait"), 10.0, excess_s=0.0, every_s=EVERY_S)
    assert refused(lately, 10.001, Asker("a", "x"))
    for other in (Asker("a", "y"), Asker("b", "x"), Asker("a", "x", Lane.PREFETCH)):
        assert not refused(lately, 10.001, other)


def test_what_is_heavy_is_refused_by_itself(lately: Refusals) -> None:
    assert refused(lately, 10.001)
    assert not refused(lately, 10.001, heavy=True)


def test_what_needs_no_fetch_is_refused_by_itself(lately: Refusals) -> None:
    assert refused(lately, 10.001)
    assert not refused(lately, 10.001, fetched=True)


def test_of_those_alike_the_next_is_weighed_when_the_first_of_their_kinds_is(lately: Refusals) -> None:
    lately.note(like(Asker("a"), None, heavy=True, fetched=True), Shed("wait"), 10.0, excess_s=0.05, every_s=0.02)
    assert lately.next("a", None, Lane.INTERACTIVE, 10.001) == (10.0 + EVERY_S, EVERY_S)
    assert not refused(lately, 10.02)  # so that it is the other kind's turn
    lately.note(LIKE, Shed("wait"), 10.02, excess_s=0.08, every_s=EVERY_S)
    assert lately.next("a", None, Lane.INTERACTIVE, 10.021) == (10.05, 0.02)
    assert lately.next("a", None, Lane.INTERACTIVE, 10.6) is None
    assert lately.next("a", "x", Lane.INTERACTIVE, 10.021) is None
    assert lately.next("a", None, Lane.PREFETCH, 10.021) is None

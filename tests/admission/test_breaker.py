"""The breaker: when it opens, who may try, and that old news change nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.hosts.breaker import Breaker


def broken(at: float = 0.0, draw: float = 0.5, **settings: float) -> Breaker:
    """Return a breaker that has just opened, at the first pause."""
    breaker = Breaker(**settings)  # type: ignore[arg-type]
    for _ in range(5):
        fail(breaker, at, draw)
    assert breaker.is_open
    return breaker


def fail(breaker: Breaker, now: float, draw: float = 0.5, of: str = "") -> None:
    begun = breaker.begin(now)
    assert begun is not None
    breaker.failed(begun, now, draw, of)


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not_let_it() -> None:
    breaker = Breaker(failures=3)
    for _ in range(10):
        fail(breaker, 1.0)
        fail(breaker, 1.0)
        begun = breaker.begin(1.0)
        assert begun is not None
        breaker.succeeded(begun)
    assert not breaker.is_open
    for _ in range(3):
        fail(breaker, 2.0)
    assert breaker.is_open


def test_one_url_that_fails_does_not_open_it() -> None:
    breaker = Breaker(failures=3)
    for _ in range(100):
        fail(breaker, 1.0, of="one")
    assert not breaker.is_open
    fail(breaker, 1.0, of="another")
    fail(breaker, 1.0)
    assert breaker.is_open


def test_one_attempt_at_a_time_and_pauses_that_double_up_to_a_bound() -> None:
    breaker, now, pauses = broken(open_s=1.0, most_s=5.0), 0.0, []
    for _ in range(6):
        pauses.append(breaker.wait_s(now))
        assert breaker.begin(now + pauses[-1] - 0.001) is None
        now += pauses[-1]
        begun = breaker.begin(now)
        assert begun is not None
        assert breaker.begin(now + 1000.0) is None  # one is under way
        breaker.failed(begun, now, 0.5)
    assert pauses == [1.0, 2.0, 4.0, 5.0, 5.0, 5.0]
    begun = breaker.begin(now + 5.0)
    assert begun is not None
    breaker.succeeded(begun)
    assert not breaker.is_open
    assert broken().wait_s(0.0) == 1.0  # and it begins with a short pause again


def test_what_was_begun_before_it_opened_has_no_say() -> None:
    breaker = Breaker(failures=2)
    early = [breaker.begin(0.0) for _ in range(20)]
    for begun in early:
        assert begun is not None
        breaker.failed(begun, 5.0, 0.5)
    assert breaker.wait_s(5.0) == 1.0  # eighteen late failures have not doubled it nine times
    attempt = breaker.begin(6.0)
    assert attempt is not None
    assert early[0] is not None
    breaker.succeeded(early[0])
    breaker.gave_up(early[0])
    assert breaker.is_open
    assert breaker.begin(6.0) is None
    breaker.succeeded(attempt)
    breaker.failed(attempt, 6.0, 0.5)  # told twice
    assert not breaker.is_open


def test_an_attempt_that_tells_nothing_leaves_room_for_the_next() -> None:
    breaker = broken()
    begun = breaker.begin(1.0)
    assert begun is not None
    breaker.gave_up(begun)
    assert breaker.is_open
    assert breaker.begin(1.0) is not None


@given(st.floats(0.0, 1.0, exclude_max=True))
def test_pauses_are_spread(draw: float) -> None:
    assert 0.75 <= broken(draw=draw).wait_s(0.0) <= 1.25


@given(st.integers(0, 2**32))
def test_whatever_comes_it_is_asked_again_within_its_longest_pause(seed: int) -> None:
    """Random histories of a breaker: never stuck, never more than one attempt while it is open."""
    draws, breaker, now = random.Random(seed), Breaker(most_s=8.0), 0.0
    under_way: list[int] = []
    for _ in range(200):
        now += draws.random()
        begun = breaker.begin(now)
        if begun is not None:
            under_way.append(begun)
        if under_way and draws.random() < 0.5:
            ended = under_way.pop(draws.randrange(len(under_way)))
            end = draws.choice(["failed"] * 4 + ["gave_up", "succeeded"])
            breaker.failed(ended, now, draws.random()) if end == "failed" else getattr(breaker, end)(ended)
        assert breaker.wait_s(now) <= 8.0 * 1.25
    for ended in under_way:
        breaker.gave_up(ended)
    assert breaker.begin(now + 8.0 * 1.25) is not None


def run(breaker: Breaker, fails: Callable[[float], float], seconds: float, seed: int) -> list[tuple[float, str]]:
    """Ask a hundred times a second for so long; `fails`: with what probability at a time. Returns what came, and when."""
    draws, came = random.Random(seed), []
    for turn in range(int(seconds * 100)):
        now = turn / 100
        begun = breaker.begin(now)
        if begun is None:
            came.append((now, "refused"))
        elif draws.random() < fails(now):
            breaker.failed(begun, now, draws.random(), of=f"url {turn}")
            came.append((now, "failed"))
        else:
            breaker.succeeded(begun)
            came.append((now, "answered"))
    return came


@pytest.mark.parametrize("seed", range(3))
def test_a_host_that_is_down_for_minutes_is_hardly_asked_and_soon_found_again(seed: int) -> None:
    came = run(Breaker(), lambda now: 10 <= now < 310, 400, seed)
    assert sum(end == "failed" for _, end in came) < 5 + 4 + 300 / (15 * 0.75)
    back = next(now for now, end in came if now >= 310 and end == "answered")
    assert back <= 310 + 15 * 1.25
    assert all(end == "answered" for now, end in came if now > back)


@pytest.mark.parametrize("seed", range(3))
def test_a_host_that_fails_now_and_then_is_asked_all_the_same(seed: int) -> None:
    came = run(Breaker(), lambda _: 0.1, 300, seed)
    assert sum(end == "refused" for _, end in came) < 0.02 * len(came)

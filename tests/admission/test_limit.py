"""The limit of one host, against simulated hosts: it finds what they take, gives way when they slow down, and comes back."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.hosts.limit import Limit

SEEDS = range(3)


class Host:
    """Takes `base_s` for a call while there are no more than `room` of them, and longer in proportion beyond; 10 % noise."""

    def __init__(self, base_s: float, room: float, seed: int = 0, most: int = 64) -> None:
        self.base_s, self.room, self.limit = base_s, room, Limit(most)
        self._draws, self._now = random.Random(seed), 0.0
        self._ends: list[tuple[float, float]] = []
        self.latencies: list[float] = []

    def run(self, seconds: float, wanted: Callable[[], int] = lambda: 1000) -> Host:
        """Keep as many calls under way as are wanted and the limit allows, for so long."""
        until = self._now + seconds
        self.latencies = []
        while self._now < until:
            while len(self._ends) < min(wanted(), self.limit.calls):
                slower = max(1.0, (len(self._ends) + 1) / self.room)
                takes_s = self.base_s * slower * self._draws.uniform(0.9, 1.1)
                heapq.heappush(self._ends, (self._now + takes_s, takes_s))
            self._now, took_s = heapq.heappop(self._ends)
            self.latencies.append(took_s)
            self.limit.took(took_s, len(self._ends) + 1, self._now)
        return self


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_with_room_gets_as_much_as_there_may_be(seed: int) -> None:
    assert Host(0.3, room=1000, seed=seed).run(60).limit.calls == 64


@pytest.mark.parametrize("seed", SEEDS)
def test_a_quick_host_is_never_held_back(seed: int) -> None:
    """Below a tenth of a second, what looks like a slow host may be a busy node."""
    host = Host(0.002, room=1000, seed=seed).run(1)
    host.base_s = 0.05
    assert host.run(30).limit.calls == 64


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_that_triples_its_latency_is_asked_less_and_gets_all_back(seed: int) -> None:
    host = Host(0.3, room=1000, seed=seed).run(30)
    assert host.limit.calls == 64
    host.base_s = 0.9
    assert host.run(15).limit.calls <= 16
    host.base_s = 0.3
    assert host.run(15).limit.calls == 64


@pytest.mark.parametrize("seed", SEEDS)
def test_a_host_that_queues_is_asked_for_little_more_than_it_takes(seed: int) -> None:
    """With 10 in its workers and the rest in its queue, latency stays within three times what it is alone."""
    host = Host(0.2, room=10, seed=seed).run(10, wanted=lambda: 4)  # a quiet time, to know it by
    host.run(60)
    assert 10 <= host.limit.calls <= 30
    assert fmean(host.latencies) < 3 * 0.2


@pytest.mark.parametrize("seed", SEEDS)
def test_that_slow_is_normal_now_is_believed_in_the_end(seed: int) -> None:
    host = Host(0.2, room=1000, seed=seed).run(10)
    host.base_s = 0.6
    assert host.run(5).limit.calls <= 16
    assert host.run(600).limit.calls == 64


def test_failures_lower_it_to_its_least_and_answers_raise_it_again() -> None:
    limit = Limit(64)
    for _ in range(100):
        limit.failed()
    assert limit.calls == 2
    for _ in range(400):
        limit.took(0.3, limit.calls, 1.0)
    assert limit.calls == 64


def test_few_calls_say_nothing_of_many() -> None:
    limit = Limit(64)
    for turn in range(100):
        limit.took(0.2 if turn < 50 else 3.0, 2, float(turn))
    assert limit.calls == 16


def test_two_hosts_know_nothing_of_each_other() -> None:
    good, bad = Host(0.2, room=1000).run(20), Host(0.2, room=1000).run(20)
    bad.base_s = 2.0
    assert bad.run(60).limit.calls <= 16
    assert good.run(5).limit.calls == 64


@given(
    st.integers(1, 100),
    st.lists(st.tuples(st.floats(0.0, 1e6), st.integers(1, 200), st.booleans()), max_size=60),
)
def test_it_stays_within_its_bounds(most: int, history: list[tuple[float, int, bool]]) -> None:
    limit = Limit(most)
    for now, (latency_s, running, failed) in enumerate(history):
        limit.failed() if failed else limit.took(latency_s, running, now)
        assert min(2, most) <= limit.calls <= most

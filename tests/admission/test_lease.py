"""Leases, in simulated time: nodes together spend what one account allows and one lease each, ask seldom, and lose nothing."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass, field

import pytest

from tintype.admission.quota.gcra import Account, Policy, give_back, spend
from tintype.admission.quota.lease import Leased, Purse

SECOND = Policy("second", 20_000, 10)  # 2,000 ms a second, 20,000 at once
LEASE_MS = 20_000 / 16


@dataclass
class Simulated:
    """Nodes whose questions take up to 50 ms each way, and an account that decides when they arrive."""

    nodes: int
    seed: int
    policies: tuple[Policy, ...] = (SECOND,)
    spent: list[tuple[float, float]] = field(default_factory=list)
    refused: int = 0
    questions: int = 0

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.account = Account()
        self.purses = [Purse(self.policies, 0.0) for _ in range(self.nodes)]
        self.waiting: list[list[float]] = [[] for _ in self.purses]
        self.asking = [False] * self.nodes
        self.events: list[tuple[float, int, str, int, object]] = []

    def at(self, when: float, what: str, node: int, value: object = None) -> None:
        heapq.heappush(self.events, (when, self.random.getrandbits(30), what, node, value))

    def run(self) -> None:
        while self.events:
            now, _, what, node, value = heapq.heappop(self.events)
            getattr(self, what)(now, node, value)

    def want(self, now: float, node: int, ms: float) -> None:
        purse = self.purses[node]
        if purse.take(ms, now):
            self.spent.append((now, ms))
            if purse.is_low(now):
                self.ask(now, node)
        elif purse.refusal(ms, now):
            self.refused += 1
        else:
            purse.needs.append(ms)
            self.waiting[node].append(ms)
            self.ask(now, node)

    def ask(self, now: float, node: int) -> None:
        if not self.asking[node]:
            self.asking[node] = True
            self.at(now + self.random.uniform(0, 0.02), "tell", node)

    def tell(self, now: float, node: int, _: object) -> None:
        wanted = self.purses[node].wanted(now)
        if any(wanted):
            self.questions += 1
            self.at(now + self.random.uniform(0, 0.05), "decide", node, wanted)
        else:
            self.done(now, node)

    def decide(self, now: float, node: int, wanted: tuple[float, float]) -> None:
        need, extra = (round(ms, 6) for ms in wanted)  # as Valkey is told, and tells
        decision = spend(self.account, self.policies, need, now)
        if decision.allowed:
            room = min(max(0.0, one.left_ms - need) for one in decision.allowances)
            charged = need + min(extra, room)
            self.account = give_back(decision.account, need - charged)
        else:
            charged, self.account = 0.0, decision.account
        leased = Leased(round(charged, 6), dict(self.account.owed_ms))
        self.at(now + self.random.uniform(0, 0.05), "answer", node, (leased, wanted[0]))

    def answer(self, now: float, node: int, value: tuple[Leased, float]) -> None:
        self.purses[node].granted(*value, now)
        self.done(now, node)

    def done(self, now: float, node: int) -> None:
        self.asking[node] = False
        waiting, self.waiting[node], self.purses[node].needs = self.waiting[node], [], []
        for ms in waiting:
            self.want(now, node, ms)

    def tend(self, now: float, node: int, _: object) -> None:
        surplus = self.purses[node].surplus(now)
        assert surplus >= 0
        self.account = give_back(self.account, surplus)

    def most_over(self) -> float:
        """Return by how much more than one account allows was spent in any time."""
        worst, sums = 0.0, 0.0
        lowest = float("inf")
        for at, ms in self.spent:  # the largest of sum(i..j) - rate * (t_j - t_i) - quota, in one pass
            lowest = min(lowest, sums - SECOND.ms_per_s * at)
            sums += ms
            worst = max(worst, sums - SECOND.ms_per_s * at - lowest - SECOND.quota_ms)
        return worst


def loaded(nodes: int, per_s: float, seed: int, for_s: float = 60.0) -> Simulated:
    """Return what became of work of 5 to 100 ms that comes at random, in bursts, to nodes that are not asked alike."""
    simulated = Simulated(nodes, seed)
    now, random_ = 0.0, simulated.random
    while now < for_s:
        now += random_.expovariate(per_s / 55 / 3)
        node = min(random_.randrange(nodes), random_.randrange(nodes))
        for _ in range(random_.choice((1, 1, 7))):
            simulated.at(now, "want", node, random_.uniform(5, 100))
    for second in range(int(for_s)):
        for node in range(nodes):
            simulated.at(second + random_.random(), "tend", node)
    simulated.run()
    return simulated


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("load", [0.5, 1.0, 3.0, 10.0])
def test_no_time_has_more_spent_in_it_than_is_allowed_and_one_lease_per_node(seed: int, load: float) -> None:
    simulated = loaded(3, load * SECOND.ms_per_s, seed, for_s=30.0)
    assert simulated.most_over() <= 3 * LEASE_MS, f"seed {seed}"


@pytest.mark.parametrize("seed", range(4))
def test_what_is_allowed_is_spent_to_nine_tenths(seed: int) -> None:
    simulated = loaded(3, 5 * SECOND.ms_per_s, seed, for_s=30.0)
    allowed = SECOND.quota_ms + 30 * SECOND.ms_per_s
    assert sum(ms for _, ms in simulated.spent) >= 0.9 * allowed, f"seed {seed}"


@pytest.mark.parametrize("seed", range(4))
def test_nobody_is_refused_below_the_rate_and_questions_are_few(seed: int) -> None:
    simulated = loaded(3, 0.5 * SECOND.ms_per_s, seed)
    assert simulated.refused == 0, f"seed {seed}"
    assert simulated.questions < len(simulated.spent) / 2, f"seed {seed}: {simulated.questions}"


@pytest.mark.parametrize("seed", range(4))
def test_those_who_are_refused_ask_no_questions(seed: int) -> None:
    simulated = loaded(3, 20 * SECOND.ms_per_s, seed, for_s=20.0)
    assert simulated.questions < (len(simulated.spent) + simulated.refused) / 10, f"seed {seed}"


def test_what_costs_more_than_a_quota_is_leased_while_nothing_is_owed() -> None:
    simulated = Simulated(1, 0, (Policy("second", 10, 1),))
    simulated.at(0.0, "want", 0, 500.0)
    simulated.at(1.0, "want", 0, 500.0)
    simulated.at(51.0, "want", 0, 500.0)
    simulated.run()
    assert [round(at) for at, _ in simulated.spent] == [0, 51]
    assert simulated.refused == 1


def test_what_is_idle_is_given_back() -> None:
    purse = Purse((SECOND,), 0.0)
    purse.granted(Leased(5000.0, {"second": 5000.0}), 100.0, 0.0)
    assert purse.take(100.0, 0.0)
    assert purse.surplus(0.1) == pytest.approx(4900 - LEASE_MS)
    assert not purse.is_idle(4.9)
    assert purse.surplus(5.1) == pytest.approx(LEASE_MS)
    assert purse.held_ms == 0
    assert purse.is_idle(5.1)


def test_a_refusal_says_when_there_will_be_room() -> None:
    purse = Purse((SECOND,), 0.0)
    purse.granted(Leased(0.0, {"second": 20_000.0}), 200.0, 0.0)
    (told,) = purse.refusal(200.0, 0.0)
    assert told.wait_s == pytest.approx(0.1)
    assert purse.refusal(200.0, 0.2) == ()
    purse.granted(Leased(0.0, {"second": 19_900.0}), 200.0, 0.2)
    assert purse.refusal(100.0, 0.21) == ()  # less than what was refused, and there is room for it
    assert purse.refusal(300.0, 0.21)

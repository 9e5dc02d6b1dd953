"""The deciders together, in virtual time: what a node answers under loads that no test machine could make."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tests.admission.simulation import PREFETCH, Outcome, Simulation, Stream, Work, steady, tenants
from tintype.admission.asker import Asker
from tintype.admission.queue import Rules

SEEDS = [1, 2]
RULES = Rules(workers=2, heavy_ms=500.0, target_s=1.6, interval_s=1.6)  # as shipped
MS = 45.0
CAPACITY = 2000 / MS
A = Asker("a")


def run(*streams: Stream, seed: int, seconds: float = 30.0, rules: Rules = RULES) -> dict[str, Outcome]:
    return Simulation(streams, rules, seed=seed).run(seconds)


def only(outcomes: dict[str, Outcome]) -> Outcome:
    (outcome,) = outcomes.values()
    return outcome


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("times", [2, 10])
@pytest.mark.parametrize("workers", [1, 2, 16])
def test_whatever_the_load_all_of_the_capacity_is_answered_in_time(times: int, workers: int, seed: int) -> None:
    capacity = CAPACITY / 2 * workers
    outcome = only(
        run(Stream(A, times * capacity, steady(MS)), seed=seed, seconds=15, rules=replace(RULES, workers=workers))
    )
    assert outcome.in_time / 15 >= 0.95 * capacity
    assert outcome.in_time == len(outcome.answered)
    assert outcome.given_up == 0


@pytest.mark.parametrize("seed", SEEDS)
def test_below_capacity_nobody_is_refused(seed: int) -> None:
    outcome = only(run(Stream(A, 0.7 * CAPACITY, steady(MS)), seed=seed))
    assert outcome.refused <= 0.001 * outcome.asked


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wrong", [0.2, 5.0])
def test_predictions_may_be_wrong_by_five(wrong: float, seed: int) -> None:
    outcome = only(run(Stream(A, 5 * CAPACITY, steady(MS, wrong=wrong)), seed=seed))
    assert outcome.in_time / 30 >= 0.95 * CAPACITY


@pytest.mark.parametrize("seed", SEEDS)
def test_one_tenant_at_twenty_times_the_capacity_takes_nothing_from_the_others(seed: int) -> None:
    outcomes = run(
        Stream(Asker("flood"), 20 * CAPACITY, steady(MS)), *tenants(9, 0.05 * CAPACITY, steady(MS)), seed=seed
    )
    flood = outcomes.pop("flood//INTERACTIVE")
    assert sum(each.asked - each.in_time for each in outcomes.values()) <= 0.001 * sum(
        e.asked for e in outcomes.values()
    )
    assert len(flood.answered) / 30 >= 0.5 * CAPACITY  # and what they leave is not wasted


@pytest.mark.parametrize("seed", SEEDS)
def test_tenants_that_all_want_too_much_share_within_five_percent(seed: int) -> None:
    weights = {"a": 1.0, "b": 1.0, "c": 2.0}
    streams = [Stream(Asker(name, weight=weight), 5 * CAPACITY, steady(MS)) for name, weight in weights.items()]
    outcomes = run(*streams, seed=seed, seconds=60)
    done = {name: outcomes[f"{name}//INTERACTIVE"].done_ms / weight for name, weight in weights.items()}
    assert max(done.values()) <= 1.05 * min(done.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_prefetches_at_twelve_times_the_capacity_are_not_felt(seed: int) -> None:
    interactive = Stream(A, 0.5 * CAPACITY, steady(MS))
    alone = only(run(interactive, seed=seed, seconds=60))
    outcomes = run(interactive, Stream(Asker("a", lane=PREFETCH), 12 * CAPACITY, steady(MS)), seed=seed, seconds=60)
    beside = outcomes["a//INTERACTIVE"]
    assert beside.in_time == beside.asked
    assert beside.percentile_s(99) <= 2 * alone.percentile_s(99)
    assert len(outcomes["a//PREFETCH"].answered) / 60 >= 0.4 * CAPACITY  # of the half that is left


@pytest.mark.parametrize("seed", SEEDS)
def test_large_work_beside_thumbnails_is_not_felt(seed: int) -> None:
    thumbnails = Stream(Asker("a", "page"), 0.3 * 2000 / 8, steady(8))
    alone = only(run(thumbnails, seed=seed))
    beside = run(thumbnails, Stream(Asker("a", "press"), 3 * 2000 / 900, steady(900)), seed=seed)["a/page/INTERACTIVE"]
    assert beside.in_time >= 0.998 * beside.asked
    assert beside.percentile_s(99) <= 3 * alone.percentile_s(99)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("times", [2, 10])
def test_of_mixed_work_the_capacity_is_answered_in_the_mix_that_is_asked_for(times: int, seed: int) -> None:
    def mixed(rng: random.Random) -> Work:
        return steady(rng.choices([8.0, MS, 200.0], [70, 27, 3])[0])(rng)

    mean_ms = 0.7 * 8 + 0.27 * MS + 0.03 * 200
    outcome = only(run(Stream(A, times * 2000 / mean_ms, mixed), seed=seed, seconds=150))
    assert outcome.done_ms / 150 / 2000 >= 0.93
    assert outcome.done_ms / outcome.in_time == pytest.approx(mean_ms, rel=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_slow_origin_costs_no_throughput(seed: int) -> None:
    def late(rng: random.Random) -> Work:
        return Work(MS, MS, fetch_s=2.0 if rng.random() < 0.02 else 0.06)

    outcome = only(run(Stream(A, 5 * CAPACITY, late), seed=seed))
    assert len(outcome.answered) / 30 >= 0.95 * CAPACITY


@pytest.mark.parametrize("seed", SEEDS)
def test_origins_that_take_a_second_keep_the_workers_busy(seed: int) -> None:
    outcome = only(run(Stream(A, 5 * CAPACITY, steady(MS, fetch_s=1.0)), seed=seed))
    assert len(outcome.answered) / 30 >= 0.9 * CAPACITY


@pytest.mark.parametrize("seed", SEEDS)
def test_half_of_the_processor_taken_away_leaves_the_other_half(seed: int) -> None:
    node = Simulation([Stream(A, 3 * CAPACITY, steady(MS))], RULES, seed=seed)

    def halved() -> None:
        node.slowness = 2.0

    answered: list[int] = []
    node.at(10.0, halved)
    node.at(20.0, lambda: answered.append(only(node.outcomes).in_time))
    in_time = only(node.run(30.0)).in_time - answered[0]
    assert in_time / 10 >= 0.9 * CAPACITY / 2


@pytest.mark.parametrize("seed", SEEDS)
def test_after_a_flash_crowd_the_node_is_itself_at_once(seed: int) -> None:
    node = Simulation(
        [Stream(A, 0.5 * CAPACITY, steady(MS)), Stream(Asker("a", "crowd"), 20 * CAPACITY, steady(MS), 5.0, 15.0)],
        RULES,
        seed=seed,
    )
    refused: list[int] = []
    node.at(16.0, lambda: refused.append(node.outcomes["a//INTERACTIVE"].refused))
    outcomes = node.run(30.0)
    assert outcomes["a//INTERACTIVE"].refused == refused[0]
    assert len(node.queue) == len(node.backlog) == 0

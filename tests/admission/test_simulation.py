"""The deciders together, in virtual time: what a node answers under loads that no test machine could make."""

from __future__ import annotations

import random
from dataclasses import replace
from functools import partial

import pytest
from msgspec import structs

from tests.admission.loads import Stream, Work, asks, steady, tenants
from tests.admission.simulation import IN_TIME_S, PREFETCH, Outcome, Simulation
from tintype.admission.asker import Asker, Lane
from tintype.admission.order.queue import Rules

SEEDS = [1, 2]
RULES = Rules(workers=2, heavy_ms=250.0, target_s=1.6, interval_s=1.6)  # as shipped
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
@pytest.mark.parametrize("known", [False, True])
def test_of_a_floods_first_second_what_is_let_in_is_in_time(seed: int, *, known: bool) -> None:
    """It comes faster than the event loop, which has work with it, brings it to a worker: what is on its way counts."""
    flood = Stream(A, 10 * CAPACITY, steady(MS, known=known), ends_s=1.0)
    outcome = only(Simulation([flood], RULES, seed=seed, front_s=0.008).run(5.0))
    assert outcome.in_time == len(outcome.answered)
    assert len(outcome.answered) >= CAPACITY


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
    assert sum(each.asked - each.in_time for each in outcomes.values()) == 0
    assert flood.in_time / 30 >= 0.4 * CAPACITY  # and what they leave is not wasted
    assert flood.in_time >= 0.85 * len(flood.answered)


@pytest.mark.parametrize("seed", SEEDS)
def test_tenants_that_want_most_of_the_node_lose_nothing_to_one_that_floods(seed: int) -> None:
    """As where refusals take half of the machine. What is left goes to what is done in time.

    They want four fifths of the node: with other seeds they lose six of 10,000, and alone two.
    """
    flooding = Stream(Asker("flood"), 20 * CAPACITY, steady(MS))
    outcomes = run(flooding, *tenants(9, 0.09 * CAPACITY, steady(MS)), seed=seed)
    flood = outcomes.pop("flood//INTERACTIVE")
    assert sum(each.asked - each.in_time for each in outcomes.values()) == 0
    assert flood.in_time / 30 >= 0.1 * CAPACITY


@pytest.mark.parametrize("seed", SEEDS)
def test_tenants_that_all_want_too_much_share_within_five_percent(seed: int) -> None:
    weights = {"a": 1.0, "b": 1.0, "c": 2.0}
    streams = [Stream(Asker(name, weight=weight), 5 * CAPACITY, steady(MS)) for name, weight in weights.items()]
    outcomes = run(*streams, seed=seed, seconds=60)
    done = {name: outcomes[f"{name}//INTERACTIVE"].done_ms / weight for name, weight in weights.items()}
    assert max(done.values()) <= 1.05 * min(done.values())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("workers", "seconds", "borrowed"), [(2, 60, 0.2), (8, 15, 0.4)])
def test_prefetches_at_twelve_times_the_capacity_are_not_felt(
    workers: int, seconds: int, borrowed: float, seed: int
) -> None:
    """Of the half that is left they have what a free worker for what somebody looks at leaves: half of it, of two workers."""
    capacity, rules = workers * CAPACITY / 2, replace(RULES, workers=workers)
    interactive = Stream(A, 0.5 * capacity, steady(MS))
    alone = only(run(interactive, seed=seed, seconds=seconds, rules=rules))
    prefetches = Stream(Asker("a", lane=PREFETCH), 12 * capacity, steady(MS))
    outcomes = run(interactive, prefetches, seed=seed, seconds=seconds, rules=rules)
    beside = outcomes["a//INTERACTIVE"]
    assert beside.in_time == beside.asked
    assert beside.percentile_s(99) <= (2 if workers == 2 else 1.3) * alone.percentile_s(99)
    assert len(outcomes["a//PREFETCH"].answered) / seconds >= borrowed * capacity


@pytest.mark.parametrize("seed", SEEDS)
def test_prefetches_have_all_workers_while_nobody_looks(seed: int) -> None:
    outcome = only(run(Stream(Asker("a", lane=PREFETCH), 3 * CAPACITY, steady(MS)), seed=seed))
    assert outcome.in_time / 30 >= 0.95 * CAPACITY


@pytest.mark.parametrize("seed", SEEDS)
def test_large_work_beside_thumbnails_is_not_felt(seed: int) -> None:
    thumbnails = Stream(Asker("a", "page"), 0.3 * 2000 / 8, steady(8))
    alone = only(run(thumbnails, seed=seed))
    beside = run(thumbnails, Stream(Asker("a", "press"), 3 * 2000 / 900, steady(900)), seed=seed)["a/page/INTERACTIVE"]
    assert beside.in_time >= 0.998 * beside.asked
    assert beside.percentile_s(99) <= 3 * alone.percentile_s(99)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("times", [4, 20])
@pytest.mark.parametrize("workers", [2, 16])
def test_what_costs_little_is_not_refused_for_what_costs_much(workers: int, times: int, seed: int) -> None:
    """Giants at several times the capacity beside thumbnails of the same client: in the middle, twice as many of these."""
    thumbnails, giants = asks("https://x/thumbnails.jpg", 160), asks("https://x/giants.avif", 1280)
    capacity, seconds = 1000 * workers, 20
    outcomes = run(
        Stream(thumbnails, 0.2 * capacity / 8, steady(8)),
        Stream(giants, times * capacity / 900, steady(900)),
        Stream(thumbnails, 0.2 * capacity / 8, steady(8), begins_s=10.0, ends_s=15.0),
        seed=seed,
        seconds=seconds,
        rules=replace(RULES, workers=workers),
    )
    small, large = (outcomes[f"a/{url}/INTERACTIVE"] for url in ("https://x/thumbnails.jpg", "https://x/giants.avif"))
    assert small.refused + small.given_up == 0
    assert small.percentile_s(99) <= 0.45  # half of what one giant takes
    assert len(large.answered) * 900 >= 0.45 * capacity * seconds  # of two workers, one is left to the rest


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("times", [2, 10])
def test_of_mixed_work_the_capacity_is_answered_in_the_mix_that_is_asked_for(times: int, seed: int) -> None:
    def mixed(rng: random.Random) -> Work:
        return steady(rng.choices([8.0, MS, 200.0], [70, 27, 3])[0])(rng)

    mean_ms = 0.7 * 8 + 0.27 * MS + 0.03 * 200
    outcome = only(run(Stream(A, times * 2000 / mean_ms, mixed), seed=seed, seconds=150))
    assert outcome.done_ms / 150 / 2000 >= 0.93
    assert outcome.done_ms / outcome.in_time == pytest.approx(mean_ms, rel=0.05)


# Parts of requests and what each takes, of kinds that a URL tells apart; none is heavy, but for a slow machine.
MIX = {
    "https://x/thumb.jpg": (asks("https://x/thumb.jpg", 160), 0.6, 12.0),
    "https://x/2k.jpg": (asks("https://x/2k.jpg", 512), 0.3, MS),
    "https://x/large.jpg": (asks("https://x/large.jpg", 1280), 0.1, 160.0),
}
MIX_MS = sum(part * ms for _, part, ms in MIX.values())


@pytest.mark.parametrize(
    ("workers", "times", "slowness"), [(1, 2, 1), (1, 10, 1), (2, 2, 1), (2, 5, 2), (2, 10, 1), (16, 10, 1)]
)
def test_of_mixed_work_no_kind_is_refused_more_often_than_others(workers: int, times: int, slowness: float) -> None:
    capacity, seconds = 1000 * workers / MIX_MS / slowness, 240 / workers * slowness
    streams = [Stream(asker, times * capacity * part, steady(ms)) for asker, part, ms in MIX.values()]
    node = Simulation(streams, replace(RULES, workers=workers), seed=1)
    node.slowness = slowness
    done = check_mix(node.run(seconds), within=0.03)  # by chance it would be off by 0.01
    assert done >= 0.95 * capacity * seconds * MIX_MS


@pytest.mark.parametrize("clients", [10, 1000])
def test_of_the_mixed_work_of_many_clients_no_kind_is_refused_more_often(clients: int) -> None:
    capacity = 2000 / MIX_MS
    streams = [
        Stream(structs.replace(asker, client=f"{number}"), 10 * capacity * part / clients, steady(ms))
        for asker, part, ms in MIX.values()
        for number in range(clients)
    ]
    done = check_mix(run(*streams, seed=1, seconds=60), within=0.05)
    assert done >= 0.85 * capacity * 60 * MIX_MS


def check_mix(outcomes: dict[str, Outcome], *, within: float) -> float:
    """Check that the mix that was done in time is the one asked for; returns how many milliseconds of work that was."""
    done = {url: outcomes[f"a/{url}/INTERACTIVE"].done_ms for url in MIX}
    for url, (_, part, ms) in MIX.items():
        assert done[url] / sum(done.values()) == pytest.approx(part * ms / MIX_MS, abs=within)
    return sum(done.values())


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


@pytest.mark.parametrize("seed", SEEDS)
def test_visitors_who_try_again_leave_nothing_behind(seed: int) -> None:
    """Three tries each at three times the capacity are nine times of it: once visitors are fewer, all are answered at once."""
    storm = Stream(Asker("a", "storm"), 3 * CAPACITY, steady(MS), ends_s=20.0, tries=3)
    after = Stream(Asker("a", "after"), 0.7 * CAPACITY, steady(MS), begins_s=22.0, tries=3)
    outcomes = run(storm, after, seed=seed, seconds=40)
    stormed, calm = outcomes["a/storm/INTERACTIVE"], outcomes["a/after/INTERACTIVE"]
    assert stormed.asked > 2 * 3 * CAPACITY * 20
    assert stormed.in_time / 20 >= 0.95 * CAPACITY
    assert calm.refused == 0
    assert calm.in_time == calm.asked


@pytest.mark.parametrize("seed", SEEDS)
def test_what_one_flash_crowd_wants_is_made_once(seed: int) -> None:
    """A hot key: one result at fifty times the capacity costs one render, and the rest of the tenant does not notice."""

    def hot(_: random.Random) -> Work:
        return Work(MS, MS, key="hot")

    node = Simulation(
        [Stream(A, 0.7 * CAPACITY, steady(MS)), Stream(Asker("a", "crowd"), 50 * CAPACITY, hot, begins_s=5.0)],
        RULES,
        seed=seed,
    )
    outcomes = node.run(15.0)
    rest, crowd = outcomes["a//INTERACTIVE"], outcomes["a/crowd/INTERACTIVE"]
    assert crowd.in_time == crowd.asked > 100
    assert rest.refused + rest.given_up <= 0.001 * rest.asked
    assert node.made == len(rest.answered) + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_workers_that_die_cost_what_they_would_have_done_and_nothing_else(seed: int) -> None:
    """One of two workers dies every two seconds and is back after one: a quarter of the time of both is gone."""
    node = Simulation([Stream(A, 3 * CAPACITY, steady(MS))], RULES, seed=seed)
    for second in range(2, 30, 2):
        node.at(second, node.break_worker)
    outcome = only(node.run(30.0))
    assert outcome.given_up == 0
    assert outcome.in_time / 30 >= 0.9 * 0.75 * CAPACITY
    assert outcome.percentile_s(100) <= 2 * IN_TIME_S


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("wrong", [0.2, 5.0])
def test_what_is_mispredicted_by_five_costs_others_nothing(wrong: float, seed: int) -> None:
    """A tenant whose images are five times as heavy as they look, or as light, has its share and no more."""
    odd = Stream(Asker("odd"), 5 * CAPACITY, steady(MS + 1, wrong=wrong))
    outcomes = run(odd, Stream(Asker("plain"), 5 * CAPACITY, steady(MS)), seed=seed, seconds=60)
    done = {name.partition("/")[0]: outcome.done_ms for name, outcome in outcomes.items()}
    assert max(done.values()) <= 1.05 * min(done.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_an_origin_that_hangs_holds_nobody_up_but_itself(seed: int) -> None:
    slow = Stream(Asker("slow"), CAPACITY, steady(MS, fetch_s=5.0), begins_s=5.0)
    outcomes = run(Stream(A, 0.5 * CAPACITY, steady(MS)), slow, seed=seed)
    quick = outcomes["a//INTERACTIVE"]
    assert quick.in_time >= 0.998 * quick.asked


@pytest.mark.parametrize("seed", SEEDS)
def test_nobody_starves(seed: int) -> None:
    """Lower lanes beside three times the capacity of the highest, and large work beside as much of small."""
    lower = [Stream(Asker("a", lane=lane), CAPACITY, steady(MS)) for lane in (PREFETCH, Lane.JOB)]
    outcomes = run(Stream(A, 3 * CAPACITY, steady(MS)), *lower, seed=seed)
    assert min(len(outcome.answered) for outcome in outcomes.values()) >= 5
    large = Stream(Asker("a", "press"), CAPACITY, steady(1500))
    outcomes = run(Stream(Asker("a", "page"), 3 * CAPACITY, steady(8)), large, seed=seed)
    assert len(outcomes["a/press/INTERACTIVE"].answered) >= 10


@pytest.mark.parametrize("seed", range(1, 13))
def test_in_any_weather_what_holds_for_every_load_holds(seed: int) -> None:
    """Tenants, lanes, costs, mispredictions, origins, deaths and slowness drawn by lot; the simulation looks itself."""
    rng = random.Random(seed)
    rules = replace(RULES, workers=rng.choice([1, 2, 4, 16]), memory_bytes=rng.choice([float("inf"), 3e8]))
    node = Simulation(
        [drawn(rng, rules) for _ in range(rng.randint(1, 8))], rules, seed=seed, most=rng.choice([20, 1000])
    )
    for _ in range(rng.randint(0, 10)):
        node.at(rng.uniform(1, 14), node.break_worker)
    for when in (4.0, 8.0):
        node.at(when, partial(setattr, node, "slowness", rng.choice([0.5, 1.0, 3.0])))
    assert any(outcome.answered for outcome in node.run(15.0).values())


def drawn(rng: random.Random, rules: Rules) -> Stream:
    """Return a stream drawn by lot, of up to five times what the workers can do."""
    ms = rng.choice([5.0, MS, 200.0, 1500.0])
    asker = Asker(
        f"tenant{rng.randint(0, 4)}", rng.choice(["", "page", "press"]), rng.choice(list(Lane)), rng.choice([1, 3])
    )
    work = steady(
        ms, wrong=rng.choice([0.2, 1.0, 5.0]), fetch_s=rng.choice([0.0, 0.06, 2.0]), peak_bytes=rng.choice([0, 2e8])
    )
    begins = rng.uniform(0, 8)
    per_s = rng.choice([0.2, 1.0, 5.0]) * rules.workers * 1000 / ms
    return Stream(asker, min(per_s, 400.0), work, begins, begins + rng.uniform(2, 10), rng.choice([0.5, 10.0]))

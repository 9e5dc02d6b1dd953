"""Heavy renders in a lane of their own: the decision over many cases, and real workers."""

from __future__ import annotations

import asyncio
import os
import sys
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from tests.engine.conftest import Bench, Benches, plan, sealed
from tintype.core.formats import Format
from tintype.core.plan import Cost
from tintype.engine.lanes import Lanes, Waiting

HEAVY_MS, PATIENCE_S = 1000.0, 2.0
WAITING = st.builds(Waiting, st.sampled_from([0.0, 50.0, 5000.0]), st.floats(0, 10), st.booleans())
QUEUES = st.lists(WAITING, max_size=12)
TIMES = st.floats(0, 10)


def lanes(workers: int) -> Lanes:
    return Lanes(workers, HEAVY_MS, PATIENCE_S)


def heavy(one: Waiting) -> bool:
    return one.cpu_ms > HEAVY_MS


@given(QUEUES, st.integers(1, 4), st.integers(0, 4), TIMES)
def test_light_work_always_finds_a_worker_that_is_free(
    queue: list[Waiting], workers: int, busy: int, since_s: float
) -> None:
    found = lanes(workers).next(queue, busy, since_s)
    if any(not heavy(one) for one in queue):
        assert found is not None
    if found is not None and heavy(queue[found]) and workers > 1:
        assert busy < workers - 1


@given(QUEUES, st.integers(1, 4), st.integers(0, 4), TIMES)
def test_each_lane_is_in_order_of_arrival_but_for_work_under_way(
    queue: list[Waiting], workers: int, busy: int, since_s: float
) -> None:
    found = lanes(workers).next(queue, busy, since_s)
    if found is not None and not queue[found].kept:
        assert not [one for one in queue[:found] if heavy(one) == heavy(queue[found])]


@given(st.lists(WAITING.filter(lambda one: not heavy(one) and not one.kept), min_size=1), st.integers(1, 4), TIMES)
def test_without_heavy_work_who_comes_first_is_first(queue: list[Waiting], workers: int, since_s: float) -> None:
    assert lanes(workers).next(queue, 0, since_s) == 0


@given(QUEUES, st.integers(2, 4), TIMES)
def test_a_free_lane_takes_who_came_first_of_all(queue: list[Waiting], workers: int, since_s: float) -> None:
    plain = [replace(one, kept=False) for one in queue]
    assert lanes(workers).next(plain, 0, since_s) == (0 if queue else None)


@given(QUEUES, TIMES)
def test_one_worker_takes_heavy_work_when_nothing_else_waits_or_after_a_while(
    queue: list[Waiting], since_s: float
) -> None:
    found = lanes(1).next(queue, 0, since_s)
    assert (found is None) == (not queue)
    if found is not None and heavy(queue[found]) and not all(map(heavy, queue)):
        assert min(queue[found].waited_s, since_s) >= PATIENCE_S


@dataclass
class _Node:
    """A run in steps of a tenth of a second, with light work always waiting: what the lanes make of it."""

    workers: int
    heavy_s: float
    now: float = 0.0

    def run(self, heavies: int, until_s: float) -> tuple[list[float], float]:
        """Return how long each heavy request waited, and the share of time that light work had."""
        queue = [(0.0, 5000.0)] * heavies
        busy: list[float] = []  # ends of heavy work
        ended, light, waits = float("-inf"), 0.0, []
        while self.now < until_s:
            over = [end for end in busy if end <= self.now]
            busy = [end for end in busy if end > self.now]
            ended = self.now if over else ended
            for _ in range(self.workers - len(busy)):
                waiting = [Waiting(ms, self.now - came) for came, ms in queue] + [Waiting(50.0, 0.1)]
                found = lanes(self.workers).next(waiting, len(busy), self.now - ended)
                if found is not None and found < len(queue):
                    waits.append(self.now - queue.pop(found)[0])
                    busy.append(self.now + self.heavy_s)
                else:
                    light += 0.1
            self.now += 0.1
        return waits, light / (until_s * self.workers)


@given(st.integers(1, 4), st.integers(1, 4), st.floats(0.2, 4))
def test_nobody_starves(workers: int, heavies: int, heavy_s: float) -> None:
    waits, light = _Node(workers, heavy_s).run(heavies, until_s=60)
    assert len(waits) == heavies
    assert max(waits) <= heavies * (PATIENCE_S + heavy_s + 0.3)
    assert light >= 0.3


pool = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


async def _ask(bench: Bench, text: str, cpu_ms: float, order: list[str]) -> None:
    """Have a text obeyed that is predicted to take so long, and note when it was answered."""
    fd = sealed(text.encode())
    costly = structs.replace(plan(), cost=Cost(cpu_ms=cpu_ms))
    try:
        await bench.pool.run(
            [(fd, len(text), Format.PNG)],
            [costly],
            tenant="t",
            digest=text,
            deadline=bench.clock.monotonic() + 30,
        )
    finally:
        os.close(fd)
    order.append("heavy" if cpu_ms > HEAVY_MS else "light")


@pool
async def test_heavy_renders_leave_a_worker_to_the_rest(engine: Benches) -> None:
    bench = await engine(workers=2)
    await bench.until(lambda: bench.metric("engine_workers") == 2)
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(_ask(bench, "sleep 1", 5000, order))
        await asyncio.sleep(0)
        for _ in range(10):
            group.create_task(_ask(bench, "sleep 0.001", 50, order))
    assert order[:10] == ["light"] * 10
    assert order[10:] == ["heavy"] * 2


@pool
async def test_on_one_worker_heavy_renders_wait_for_the_rest_and_come_to_their_turn(engine: Benches) -> None:
    bench = await engine()
    order: list[str] = []
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(bench, "sleep 0.2", 50, order))
        await asyncio.sleep(0)
        for _ in range(2):
            group.create_task(_ask(bench, "sleep 0.01", 5000, order))
        await asyncio.sleep(0)
        for _ in range(3):
            group.create_task(_ask(bench, "sleep 0.01", 50, order))
    assert order == ["light"] * 4 + ["heavy"] * 2

"""Heavy renders leave workers to the rest; what waits too long is given up: real workers."""

from __future__ import annotations

import asyncio
import math
import os
import sys

import pytest
from msgspec import structs
from msgspec.structs import replace

from tests.engine.conftest import Bench, Benches, plan, sealed
from tests.gates import patient
from tintype.admission.asker import Asker, Lane
from tintype.admission.costs.expect import Expectation
from tintype.admission.gate import Gate
from tintype.admission.order.queue import Rules
from tintype.admission.weighing.backlog import Backlog
from tintype.admission.weighing.scales import Patience
from tintype.core.errors import Shed
from tintype.core.formats import Format
from tintype.core.pipeline import Pipeline, SourceRef
from tintype.core.plan import Cost
from tintype.engine.worker import Phase

HEAVY_MS = 1000.0

pool = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


async def _ask(bench: Bench, text: str, cpu_ms: float, order: list[str], asker: Asker | None = None) -> None:
    """Have a text obeyed that is predicted to take so long, and note when it was answered."""
    fd = sealed(text.encode())
    costly = structs.replace(plan(), cost=Cost(cpu_ms=cpu_ms))
    try:
        await bench.pool.run(
            [(fd, len(text), Format.PNG)],
            [costly],
            asker=asker or Asker("t", deadline=bench.clock.monotonic() + 30),
            digest=text,
        )
    finally:
        os.close(fd)
    order.append("heavy" if cpu_ms > HEAVY_MS else "light")


@pool
async def test_heavy_renders_leave_a_worker_to_the_rest(engine: Benches) -> None:
    bench = await engine(workers=2, gate=patient(2))
    await bench.until(lambda: bench.metric("engine_workers") == 2)
    order: list[str] = []
    await _ask(bench, "sleep 0.001", 50, order)
    async with asyncio.TaskGroup() as group:
        for _ in range(2):
            group.create_task(_ask(bench, "sleep 2", 5000, order))
        await asyncio.sleep(0)
        for _ in range(10):
            group.create_task(_ask(bench, "sleep 0.001", 50, order))
    assert order[:11] == ["light"] * 11
    assert order[11:] == ["heavy"] * 2


@pool
async def test_on_one_worker_heavy_renders_wait_for_the_rest_and_come_to_their_turn(engine: Benches) -> None:
    rules = Rules(workers=1, heavy_ms=HEAVY_MS, heavy_patience_s=math.inf, target_s=math.inf)
    gate = Gate(Backlog(rules), Expectation(50.0), Patience(math.inf, math.inf), most=100)
    bench, order = await engine(gate=gate), list[str]()
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(bench, "sleep 0.2", 50, order))
        await asyncio.sleep(0)
        for _ in range(2):
            group.create_task(_ask(bench, "sleep 0.01", 5000, order))
        await asyncio.sleep(0)
        for _ in range(3):
            group.create_task(_ask(bench, "sleep 0.01", 50, order))
    assert order == ["light"] * 4 + ["heavy"] * 2


@pool
async def test_who_would_wait_too_long_is_refused_at_once_with_a_time_to_come_back(engine: Benches) -> None:
    gate = Gate(Backlog(Rules(workers=1)), Expectation(50.0), Patience(0.4, 0.4), most=100)
    bench, order = await engine(gate=gate), list[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(7):
            group.create_task(_ask(bench, "sleep 0.05", 60, order))
        await asyncio.sleep(0)
        with pytest.raises(Shed, match=r"it would wait 0\.42 s for a worker; 0\.40 s are allowed") as shed:
            await _ask(bench, "echo too much", 60, order)
        assert shed.value.retry_after_s == 1.0
    assert len(order) == 7
    await _ask(bench, "echo now", 60, order)
    assert not len(gate._backlog), "tickets are given back"


@pool
async def test_another_tenant_comes_before_what_a_flood_has_queued(engine: Benches) -> None:
    bench, order = await engine(), list[str]()
    async with asyncio.TaskGroup() as group:
        for _ in range(6):
            group.create_task(_ask(bench, "sleep 0.05", 50, order))
        await asyncio.sleep(0)
        other = Asker("other", deadline=bench.clock.monotonic() + 30)
        await _ask(bench, "echo first", 50, order, other)
        assert len(order) <= 3


@pool
async def test_a_prefetch_waits_for_what_somebody_looks_at(engine: Benches) -> None:
    bench, order = await engine(), list[str]()
    prefetch = Asker("t", lane=Lane.PREFETCH, deadline=bench.clock.monotonic() + 30)
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(bench, "sleep 0.1", 50, order))
        await asyncio.sleep(0)
        for _ in range(2):
            group.create_task(_ask(bench, "sleep 0.05", HEAVY_MS + 1, order, prefetch))
        for _ in range(3):
            group.create_task(_ask(bench, "sleep 0.01", 50, order))
    assert order == ["light"] * 4 + ["heavy"] * 2


@pool
async def test_work_that_has_waited_too_long_is_given_up_and_the_newest_is_done(engine: Benches) -> None:
    rules = Rules(workers=1, target_s=0.05, interval_s=0.1)
    bench = await engine(gate=Gate(Backlog(rules), Expectation(1.0), Patience(60, 60), most=100))
    now, order = [bench.clock.monotonic()], list[str]()
    bench.clock.monotonic = lambda: now[0]  # how fast the machine is does not matter
    running = asyncio.create_task(_ask(bench, "sleep 1", 1, order))
    await bench.a_worker(Phase.BUSY)
    old = [asyncio.create_task(_ask(bench, "echo old", 1, order)) for _ in range(3)]
    await asyncio.sleep(0)
    now[0] += 0.33
    await _ask(bench, "echo new", 1, order)
    await running
    given_up = await asyncio.gather(*old, return_exceptions=True)
    assert [type(one) for one in given_up] == [Shed] * 3
    assert len(order) == 2
    assert not len(bench.pool._gate._backlog)


@pool
async def test_what_comes_of_a_fetch_is_what_such_fetches_will_likely_cost(engine: Benches) -> None:
    bench, order = await engine(gate=patient()), list[str]()
    likely = bench.pool._gate.expected.likely
    wants = Pipeline.of(SourceRef(url="https://example.com/1.jpg"))
    there = Asker("t", deadline=bench.clock.monotonic() + 30, pipeline=wants)
    before = likely.ms(there)
    await _ask(bench, "sleep 0.3", 50, order, there)
    assert likely.ms(there) == before  # its source was there, and perhaps a rung
    await _ask(bench, "sleep 0.3", 50, order, replace(there, invested=True))
    assert likely.ms(there) > 1.5 * before

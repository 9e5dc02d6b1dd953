"""Which worker serves whom and when it is replaced; that workers end with their parent. Real processes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import psutil
import pytest

from tests.conftest import ROOT
from tests.engine.conftest import Bench, Benches, benches
from tintype.core.limits import Limits
from tintype.engine.settings import Isolation
from tintype.engine.worker import Phase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


async def test_a_killed_zygote_is_replaced(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.IMAGE)
    zygote = _zygote_of(bench)
    os.kill(zygote, signal.SIGKILL)
    await bench.until(lambda: _zygote_of(bench) not in (0, zygote))
    assert await bench.say("echo x") == "x"


def _zygote_of(bench: Bench) -> int:
    starts = bench.crew._starts
    return starts._zygote.process.pid if starts is not None and starts._zygote is not None else 0


async def test_a_worker_is_replaced_after_its_images_and_nobody_waits(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_images=5))
    pids = [await bench.say("pid") for _ in range(5)]
    assert len(set(pids)) == 1
    # Spent, it serves on until its successor is ready, and then no more.
    await bench.until(lambda: len(bench.events("engine.worker_ended")) == 1)
    assert await bench.say("pid") != pids[0]
    assert bench.metric("engine_restarts_total", reason="images") == 1


async def test_a_spent_worker_serves_until_its_successor_is_ready(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_images=1))
    first = await bench.say("pid")
    assert await bench.say("pid") == first


async def test_workers_that_are_spent_together_are_replaced_one_after_another(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_images=3), workers=3)
    await bench.until(lambda: bench.metric("engine_workers") == 3)
    spent, live = {worker.process.pid for worker in bench.crew._workers}, set()

    async def use() -> None:
        while not spent.isdisjoint(worker.process.pid for worker in bench.crew._workers):
            live.add(sum(worker.live for worker in bench.crew._workers))
            await bench.say("echo x")

    async with asyncio.timeout(60):
        await asyncio.gather(use(), use(), use())
    assert max(live) == 4


async def test_a_worker_is_replaced_when_it_has_grown(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_rss_bytes=150_000_000))
    first = await bench.say("keep 200000000")
    await bench.until(lambda: len(bench.events("engine.worker_ended")) == 1)
    assert await bench.say("pid") != first
    assert bench.metric("engine_restarts_total", reason="memory") == 1


async def test_isolation_by_image_gives_each_image_a_process_of_its_own(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.IMAGE, workers=2)
    pids = [await bench.say("pid") for _ in range(20)]
    assert len(set(pids)) == 20


async def test_isolation_by_image_renders_where_the_header_was_read(engine: Benches) -> None:
    """One fork an image, and nobody else's byte in it."""
    bench = await engine(isolation=Isolation.IMAGE)
    seen = set()
    for n in range(5):
        await bench.probe("echo x", digest=str(n))
        kept = bench.crew.pick(("t", str(n)))
        assert kept is not None
        assert bench.crew.pick(("other", str(n))) is not kept
        assert await bench.say("pid", digest=str(n)) == str(kept.process.pid)
        seen.add(kept.process.pid)
    assert len(seen) == 5


async def test_isolation_by_image_keeps_workers_in_bounds_whoever_never_comes_back(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.IMAGE)
    pids = set()
    for n in range(12):
        await bench.probe("echo x", digest=str(n))
        kept = bench.crew.pick(("t", str(n)))
        assert kept is not None
        pids.add(kept.process.pid)
        assert sum(worker.live for worker in bench.crew._workers) <= 3
    assert len(pids) == 12


async def test_work_under_way_comes_before_new_work_where_its_worker_is_kept(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.IMAGE)
    await bench.probe("echo x", digest="begun")
    running = asyncio.create_task(bench.say("sleep 0.3"))
    await bench.a_worker(Phase.BUSY)
    order: list[str] = []

    async def ask(digest: str) -> None:
        await bench.say("sleep 0.01", digest=digest)
        order.append(digest)

    async with asyncio.TaskGroup() as group:
        group.create_task(ask("new"))
        await asyncio.sleep(0)
        group.create_task(ask("begun"))
    await running
    assert order == ["begun", "new"]


async def test_isolation_by_tenant_never_shares_a_process_between_tenants(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.TENANT, workers=2)
    used: dict[str, set[str]] = {}
    for n in range(24):
        tenant = "abc"[n % 3]
        used.setdefault(tenant, set()).add(await bench.say("pid", tenant=tenant))
    assert not used["a"] & used["b"]
    assert not used["a"] & used["c"]
    assert not used["b"] & used["c"]


async def test_isolation_by_tenant_keeps_a_worker_for_its_tenant(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.TENANT)
    assert len({await bench.say("pid") for _ in range(5)}) == 1


async def test_workers_end_with_their_parent() -> None:
    script = (
        "import asyncio, sys; sys.path.insert(0, sys.argv[1]);"
        "from tests.engine.test_turnover import _hold; asyncio.run(_hold(sys.argv[2]))"
    )
    for isolation in Isolation:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", script, str(ROOT), isolation, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        pids = [int(pid) for pid in (await process.stdout.readline()).split()]
        assert pids
        process.kill()
        await process.wait()
        async with asyncio.timeout(60):
            while any(_alive(pid) for pid in pids):  # noqa: ASYNC110 - processes of nobody we could wait for
                await asyncio.sleep(0.01)


def _alive(pid: int) -> bool:
    """Whether it runs; one that nobody has reaped yet does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def _hold(isolation: str) -> None:
    """Start a pool, print the pids of every process it made, one of them busy for hours, and wait to be killed."""
    async with benches() as make:
        bench = await make(isolation=Isolation(isolation), workers=2)
        running = asyncio.create_task(bench.say("sleep 36000", within_s=36000))
        await bench.a_worker(Phase.BUSY)
        print(*(child.pid for child in psutil.Process().children(recursive=True)), flush=True)  # noqa: T201
        await running


async def test_a_worker_at_rest_gives_back_what_is_free_below_the_end_of_its_heap(engine: Benches) -> None:
    bench = await engine()
    before = psutil.Process(await bench.a_worker()).memory_info().rss
    worker = psutil.Process(int(await bench.say("fragment 200000000")))
    await bench.until(lambda: worker.memory_info().rss < before + 50_000_000)
    assert int(await bench.say("pid")) == worker.pid

"""Workers that break between requests: what they were given meanwhile goes to another one, once, and counts for nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest

from tests.engine.conftest import Bench, Benches
from tintype.core.errors import BrokenImage, DeadlinePassed, EngineFailed
from tintype.engine.settings import Isolation
from tintype.engine.worker import Phase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")

KEPT = pytest.mark.parametrize(
    "isolation", [Isolation.NODE, Isolation.TENANT]
)  # where a worker serves more than one image


async def _next(bench: Bench) -> int:
    """Return the pid of the worker that gets the next request, once there is one."""

    def pid() -> int:
        worker = bench.crew.pick(("t", "d"))
        return worker.process.pid if worker else 0

    await bench.until(lambda: pid() > 0)
    return pid()


async def test_a_worker_that_answers_what_nobody_asked_is_ended(engine: Benches) -> None:
    """Answers to requests yet to come would be given to someone else."""
    bench = await engine()
    for _ in range(5):
        with pytest.raises(EngineFailed, match="Probed"):
            await bench.say("babble")  # this very request, answered as if it were a probe; and others after it
        assert await bench.say("echo mine") == "mine"
    assert len(bench.events("engine.worker_ended")) == 5


async def test_a_request_that_makes_workers_babble_is_given_to_two_and_no_more(engine: Benches) -> None:
    bench = await engine()
    with pytest.raises(EngineFailed):
        await bench.say("babble others")
    assert (await bench.probe("echo four")).width == 4
    assert len(bench.events("engine.worker_ended")) == 2


@KEPT
@pytest.mark.parametrize("how", ["babble_later 0.05", "rubbish 0.05"])
async def test_what_a_babbling_worker_was_given_meanwhile_goes_to_another(
    engine: Benches, isolation: Isolation, how: str
) -> None:
    """Also when it has begun: what it says is not about this."""
    bench = await engine(isolation=isolation)
    for _ in range(3):  # nothing adds up to poison
        assert await bench.say(how) == "said"
        assert await bench.say("sleep 0.2", digest="victim") == "slept"
    await bench.until(lambda: bench.metric("engine_restarts_total", reason="crash") == 3)
    assert not bench.events("engine.image_crashed")


@KEPT
async def test_workers_killed_between_requests_cost_nobody_an_answer(engine: Benches, isolation: Isolation) -> None:
    """kill -9 with the next request on its heels: sent before the worker is gone, and never begun."""
    bench = await engine(isolation=isolation, workers=2)
    kills = 0
    for n in range(200):
        if isolation is Isolation.TENANT or n % 20 == 19:  # where a new one costs little
            os.kill(await _next(bench), signal.SIGKILL)
            kills += 1
        assert await bench.say(f"echo {n}", digest="d") == str(n)
    await bench.until(lambda: bench.metric("engine_restarts_total", reason="crash") == kills)
    assert not bench.events("engine.image_crashed")


async def test_workers_that_crash_between_requests_blame_nobody(engine: Benches) -> None:
    """After the answer, over what an earlier image left behind; the request that lay in the socket is not at fault."""
    bench = await engine(isolation=Isolation.TENANT)
    for _ in range(4):
        worker = await _next(bench)
        os.kill(worker, signal.SIGSTOP)  # it reads nothing now
        waiting = asyncio.create_task(bench.say("echo x", digest="d"))
        await bench.a_worker(Phase.BUSY)
        os.kill(worker, signal.SIGSEGV)
        os.kill(worker, signal.SIGCONT)
        assert await waiting == "x"
    assert not bench.events("engine.image_crashed")


async def test_a_crash_while_at_work_is_still_the_image_s(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.TENANT)
    running = asyncio.create_task(bench.say("sleep 60", digest="d"))
    worker = await bench.at_work()
    os.kill(worker, signal.SIGSEGV)
    with pytest.raises(BrokenImage, match="SIGSEGV"):
        await running
    assert bench.events("engine.image_crashed")[0]["crashes"] == 1


async def test_what_is_given_again_keeps_its_deadline(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.TENANT)
    worker = await _next(bench)
    os.kill(worker, signal.SIGSTOP)
    waiting = asyncio.create_task(bench.say("sleep 60", digest="d", within_s=0.5))
    await bench.a_worker(Phase.BUSY)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(DeadlinePassed):
        await waiting
    assert await bench.say("echo x", digest="d") == "x"


async def test_nothing_is_given_again_once_the_pool_closes(engine: Benches) -> None:
    bench = await engine(isolation=Isolation.TENANT)
    worker = await _next(bench)
    os.kill(worker, signal.SIGSTOP)
    waiting = asyncio.create_task(bench.say("echo x"))
    await bench.a_worker(Phase.BUSY)
    closing = asyncio.create_task(bench.pool.close())
    await asyncio.sleep(0)
    os.kill(worker, signal.SIGKILL)
    with pytest.raises(EngineFailed):
        await waiting
    await closing

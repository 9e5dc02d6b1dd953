"""The pool against real worker processes: answers, queue, deadlines, crashes, replacement, shutdown."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time

import psutil
import pytest
from msgspec.structs import replace

from tests.engine.conftest import Benches, command_of, plan, sealed
from tests.gates import patient
from tintype.admission.asker import Asker
from tintype.core.errors import (
    BrokenImage,
    DeadlinePassed,
    Draining,
    EngineFailed,
    ImageTooLarge,
    Misconfigured,
    Poisoned,
    Shed,
)
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.limits import Limits
from tintype.core.messages import MAX_PACKET_BYTES
from tintype.core.offer import Offer
from tintype.core.pipeline import Pipeline, SourceRef
from tintype.core.plan import CropBox, Plan, Rest
from tintype.core.policy import Policy
from tintype.engine.requests import unnamed
from tintype.engine.settings import Isolation
from tintype.engine.worker import Phase

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


def _large_plan(number: int, steps: int = 1000) -> Plan:
    return replace(plan(), steps=tuple(CropBox(left=n, top=number, width=70_000, height=70_000) for n in range(steps)))


ALL = pytest.mark.parametrize("isolation", list(Isolation))


@ALL
async def test_requests_are_answered(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation)
    assert await bench.say("echo hello") == "hello"
    info = await bench.probe("echo four")
    assert (info.width, info.height) == (4, 7)
    assert await bench.say("big 5000000", plans=3) == "x" * 5_000_000


async def test_a_result_comes_for_each_plan_with_its_facts(engine: Benches) -> None:
    bench = await engine()
    sources = [sealed(b"echo one"), sealed(b"echo two")]
    finished = await bench.pool.run(
        [(fd, 8, Format.PNG) for fd in sources],
        [plan(), plan()],
        asker=Asker("t", deadline=bench.clock.monotonic() + 10),
        digest="d",
    )
    for fd in sources:
        os.close(fd)
    assert finished.bodies == (b"one two", b"one two")
    assert [result.size for result in finished.done.results] == [7, 7]
    assert finished.done.decode_ms == 2.0
    assert finished.done.rss_bytes > 1_000_000
    assert bench.metric("engine_cpu_seconds_total", phase="encode") == pytest.approx(0.002)


@ALL
async def test_start_proves_the_codecs_and_check_proves_them_again(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation)
    checkup = await bench.pool.check()
    assert checkup.proofs[0] == "nothing decodes"
    assert checkup.missing == ()
    assert {"landlock", "seccomp", "rlimits"} <= set(checkup.layers)


async def test_workers_work_at_the_same_time(engine: Benches) -> None:
    bench = await engine(workers=2)
    await bench.until(lambda: bench.metric("engine_workers") == 2)
    first, second = await asyncio.gather(bench.say("pid", digest="1"), bench.say("pid", digest="2"))
    assert first != second


@ALL
async def test_no_more_than_the_set_number_is_busy(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation, workers=2)
    if isolation is Isolation.NODE:  # others are forked for a tenant or an image, at once
        await bench.until(lambda: bench.metric("engine_workers") == 2)
    running = [asyncio.create_task(bench.say("sleep 0.3", tenant=str(n))) for n in range(6)]
    most = 0
    while not all(task.done() for task in running):
        most = max(most, bench.crew.busy)
        await asyncio.sleep(0.01)
    assert most == 2
    assert {task.result() for task in running} == {"slept"}


async def test_a_typed_refusal_comes_through(engine: Benches) -> None:
    bench = await engine()
    with pytest.raises(ImageTooLarge, match="this is too much"):
        await bench.say("refuse this is too much")
    with pytest.raises(BrokenImage, match="unexpected ValueError: surprise"):
        await bench.say("raise surprise")
    assert await bench.say("echo still here") == "still here"
    assert bench.metric("engine_jobs_total", result="failed") == 2


async def test_a_full_queue_refuses_at_once_and_what_waits_is_answered(engine: Benches) -> None:
    bench = await engine(gate=patient(1, most=4))
    running = asyncio.create_task(bench.say("sleep 1"))
    await bench.at_work()
    waiting = [asyncio.create_task(bench.say(f"echo {n}")) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Shed, match=r"limits\.render_queue"):
        await bench.say("echo too much")
    assert await asyncio.gather(running, *waiting) == ["slept", "0", "1", "2"]


async def test_a_deadline_in_the_queue_costs_no_work_and_counts_for_nothing(engine: Benches) -> None:
    bench = await engine(gate=patient(1, most=2))
    running = asyncio.create_task(bench.say("sleep 3"))
    await bench.at_work()
    for _ in range(3):  # each leaves the queue, which has one place
        with pytest.raises(DeadlinePassed):
            await bench.say("keep 1000000", within_s=0.05, digest="d")
    assert await running == "slept"
    assert await bench.say("echo d", digest="d") == "d"
    assert not bench.events("engine.worker_ended")
    assert bench.metric("engine_jobs_total", result="deadline") == 3


async def test_a_deadline_already_passed_starts_nothing(engine: Benches) -> None:
    bench = await engine()
    with pytest.raises(DeadlinePassed):
        await bench.say("exit 0", within_s=-1)
    assert not bench.events("engine.worker_ended")


async def test_cancelled_in_the_queue_leaves_it(engine: Benches) -> None:
    bench = await engine(gate=patient(1, most=2))
    running = asyncio.create_task(bench.say("sleep 1"))
    await bench.at_work()
    waiting = asyncio.create_task(bench.say("exit 7"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await bench.say("echo next") == "next"
    assert await running == "slept"
    assert not bench.events("engine.worker_ended")


async def test_cancelled_while_running_runs_to_its_end_and_the_worker_lives(engine: Benches) -> None:
    bench = await engine()
    before = await bench.say("pid")
    running = asyncio.create_task(bench.say("sleep 1"))
    await bench.at_work()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await bench.say("pid") == before


@ALL
async def test_a_job_over_its_deadline_is_killed_and_does_not_count(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation)
    for _ in range(3):
        await bench.a_worker()  # or it passes while one is waited for
        with pytest.raises(DeadlinePassed):
            await bench.say("sleep 60", within_s=0.1, digest="slow")
        assert await bench.say("echo fine", digest="slow") == "fine"
    assert bench.metric("engine_restarts_total", reason="deadline") == 3


@ALL
@pytest.mark.parametrize(
    "how", ["try segfault", "try crash BUS", "try crash ABRT", "try crash ILL", "exit 1", "exit 0"]
)
async def test_a_crash_fails_its_own_job_and_no_other(engine: Benches, isolation: Isolation, how: str) -> None:
    bench = await engine(isolation=isolation)
    crash = asyncio.create_task(bench.say(how))
    other = asyncio.create_task(bench.say("echo other"))
    with pytest.raises(BrokenImage, match="ended its worker"):
        await crash
    assert await other == "other"
    assert bench.events("engine.image_crashed")[0]["crashes"] == 1


async def test_two_crashes_poison_the_plan_of_that_source_and_tenant_alone(engine: Benches) -> None:
    bench = await engine(poison_s=60)
    for _ in range(2):
        with pytest.raises(BrokenImage):
            await bench.say("try segfault", digest="bad")
    with pytest.raises(Poisoned):
        await bench.say("echo would work", digest="bad")
    assert await bench.say("echo x", digest="other") == "x"
    assert await bench.say("echo x", digest="bad", tenant="other") == "x"
    assert await bench.say("echo x", digest="bad", width=2) == "x"
    assert (await bench.probe("echo x", digest="bad")).width == 1
    assert bench.metric("poison_total") == 1
    assert bench.metric("poison_ledger") == 1


async def test_poison_wears_off(engine: Benches) -> None:
    bench, ahead_s = await engine(poison_s=60), 0.0
    bench.clock.monotonic = lambda: time.monotonic() + ahead_s
    for _ in range(2):
        with pytest.raises(BrokenImage):
            await bench.probe("try segfault", digest="bad")
    assert bench.metric("poison_ledger") == 1
    with pytest.raises(Poisoned):
        await bench.probe("echo x", digest="bad")
    await bench.a_worker()  # none is starting while the clock jumps
    ahead_s = 61.0
    assert (await bench.probe("echo x", digest="bad")).width == 1
    assert bench.metric("poison_ledger") == 0


@ALL
async def test_used_up_cpu_time_ends_the_worker_and_counts(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation, limits=Limits(worker_cpu_s=1))
    with pytest.raises(BrokenImage, match=r"limits\.worker_cpu_s"):
        await bench.say("try spin")
    assert await bench.say("echo x") == "x"
    assert bench.metric("engine_restarts_total", reason="cpu") == 1


def test_used_up_cpu_time_comes_before_the_deadline() -> None:
    """Else an image that burns CPU is never refused. The kernel rounds up by as much as a second."""
    for timeout_s in (2.5, 10.0, 30.0):
        assert Limits(request_timeout_s=timeout_s).image_cpu_s < timeout_s
    assert Limits(worker_cpu_s=3).image_cpu_s == 3


async def test_an_image_that_burns_cpu_is_refused_after_a_few_times(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_cpu_s=1))
    for _ in range(2):
        with pytest.raises(BrokenImage, match=r"limits\.worker_cpu_s"):
            await bench.say("try spin", digest="burns")
    with pytest.raises(Poisoned):
        await bench.say("try spin", digest="burns")


async def test_the_cpu_limit_is_each_request_s_own(engine: Benches) -> None:
    bench = await engine(limits=Limits(worker_cpu_s=1))
    burn = "spin_for 0.45"
    assert [await bench.say(burn) for _ in range(4)] == ["spun"] * 4
    assert not bench.events("engine.worker_ended")


@ALL
async def test_killed_from_outside_is_nobody_s_fault(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation)
    for _ in range(3):
        running = asyncio.create_task(bench.say("sleep 60", digest="d"))
        os.kill(await bench.at_work(), signal.SIGKILL)
        with pytest.raises(EngineFailed):
            await running
    assert await bench.say("echo d", digest="d") == "d"


async def test_an_idle_worker_killed_is_replaced_without_anybody_noticing(engine: Benches) -> None:
    bench = await engine()
    for n in range(3):
        os.kill(int(await bench.say("pid")), signal.SIGKILL)
        await bench.until(lambda n=n: len(bench.events("engine.worker_ended")) == n + 1)
        assert await bench.say("echo x") == "x"


async def test_results_over_the_limit_are_refused_by_name(engine: Benches) -> None:
    bench = await engine(limits=Limits(result_bytes=1000))
    with pytest.raises(ImageTooLarge, match=r"limits\.result_bytes"):
        await bench.say("big 1001")
    assert len(await bench.say("big 1000")) == 1000


async def test_a_message_that_fits_no_packet_is_refused(engine: Benches) -> None:
    bench = await engine()
    fd = sealed(b"echo x")
    deadline = bench.clock.monotonic() + 10
    many = [plan()] * 64
    assert (
        len((await bench.pool.run([(fd, 6, Format.PNG)], many, asker=Asker("t", deadline=deadline), digest="d")).bodies)
        == 64
    )
    large = [_large_plan(n) for n in range(64)]
    with pytest.raises(EngineFailed, match=str(MAX_PACKET_BYTES)):
        await bench.pool.run([(fd, 6, Format.PNG)], large, asker=Asker("t", deadline=deadline), digest="d")
    with pytest.raises(EngineFailed, match="1 to 64"):
        await bench.pool.run([(fd, 6, Format.PNG)], [*many, plan()], asker=Asker("t", deadline=deadline), digest="d")
    os.close(fd)


async def test_the_largest_packet_goes_through(engine: Benches) -> None:
    bench = await engine()
    fd = sealed(b"echo x")
    deadline = bench.clock.monotonic() + 10
    plans = [_large_plan(n, steps=100) for n in range(20)]  # about 150,000 bytes
    finished = await bench.pool.run([(fd, 6, Format.PNG)], plans, asker=Asker("t", deadline=deadline), digest="d")
    os.close(fd)
    assert len(finished.bodies) == 20


async def test_a_writable_source_is_refused(engine: Benches) -> None:
    bench = await engine()
    fd = os.memfd_create("source")
    os.write(fd, b"echo x")
    with pytest.raises(EngineFailed, match="writable"):
        await bench.pool.run(
            [(fd, 6, Format.PNG)], [plan()], asker=Asker("t", deadline=bench.clock.monotonic() + 10), digest="d"
        )
    os.close(fd)


async def test_a_source_shorter_than_announced_is_broken(engine: Benches) -> None:
    bench = await engine()
    fd = sealed(b"echo x")
    with pytest.raises(BrokenImage, match="shorter"):
        await bench.pool.run(
            [(fd, 6000, Format.PNG)], [plan()], asker=Asker("t", deadline=bench.clock.monotonic() + 10), digest="d"
        )
    os.close(fd)


async def test_the_source_s_url_does_not_reach_a_worker(engine: Benches) -> None:
    pipeline = Pipeline(source=SourceRef(url="https://key:secret@example.com/a.jpg"))
    info = ImageInfo(format=Format.PNG, width=1, height=1)
    rest = Rest(pipeline=pipeline, info=info, offer=Offer(), policy=Policy())
    assert "secret" not in str(unnamed(replace(plan(), rest=rest)))


@ALL
async def test_close_lets_running_work_end_and_refuses_the_rest(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(isolation=isolation)
    running = asyncio.create_task(bench.say("sleep 1"))
    await bench.a_worker(Phase.BUSY)
    waiting = asyncio.create_task(bench.say("echo x"))
    await asyncio.sleep(0)
    await bench.pool.close()
    assert await running == "slept"
    with pytest.raises(Draining):
        await waiting
    with pytest.raises(Draining):
        await bench.say("echo x")
    assert not [child for child in psutil.Process().children() if "bad_worker" in " ".join(child.cmdline())]
    await bench.pool.close()


async def test_a_worker_that_cannot_start_says_why(engine: Benches) -> None:
    bench = await engine(start=False, command=command_of("tests.engine.no_such_worker"))
    with pytest.raises(EngineFailed, match="no_such_worker"):
        await bench.pool.start()
    missing = await engine(start=False, command=("/nonexistent/python",))
    with pytest.raises(EngineFailed, match="could not be started"):
        await missing.pool.start()


async def test_an_engine_not_started_refuses(engine: Benches) -> None:
    bench = await engine(start=False)
    with pytest.raises(EngineFailed, match="not started"):
        await bench.say("echo x")


async def test_a_missing_layer_is_told_and_refused_if_the_operator_wants_it(engine: Benches) -> None:
    threaded = command_of("tests.engine.threaded_worker")
    bench = await engine(command=threaded)
    assert "threads run already" in bench.events("engine.sandbox_incomplete")[0]["missing"][0]
    assert await bench.say("echo x") == "x"
    strict = await engine(command=threaded, require_sandbox=True, start=False)
    with pytest.raises(Misconfigured, match=r"security.require_sandbox is set, and the sandbox lacks landlock"):
        await strict.pool.start()

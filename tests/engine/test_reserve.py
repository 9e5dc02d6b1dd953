"""The engine of what nobody waits for: started when it is needed, last to get the CPU, and no trouble to the other."""

from __future__ import annotations

import io
import os
import sys

import pytest

from tests.engine.conftest import BAD, Bench, Benches, plan, sealed
from tests.gates import patient
from tintype.admission.asker import Asker
from tintype.core.errors import EngineFailed
from tintype.core.formats import Format
from tintype.core.limits import Limits
from tintype.engine.pool import Pool
from tintype.engine.reserve import LOWEST, Reserve
from tintype.engine.settings import EngineSettings, SecuritySettings
from tintype.telemetry.clock import SystemClock
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


class Stand:
    """A reserve, the pools that it had made, and what they tell."""

    def __init__(self, *commands: tuple[str, ...]) -> None:
        self.clock = SystemClock()
        self.telemetry = NodeTelemetry(TelemetrySettings(), out=io.StringIO(), strict=True)
        self.made: list[Pool] = []
        self._commands = iter(commands)
        self.reserve = Reserve(self._make)

    def _make(self) -> Pool:
        settings = EngineSettings(workers=1, nice=LOWEST)
        command = next(self._commands)
        pool = Pool(
            settings, SecuritySettings(), Limits(), self.telemetry, self.clock, patient(1), command, name="reserve"
        )
        self.made.append(pool)
        return pool

    async def say(self, text: str) -> str:
        fd = sealed(text.encode())
        try:
            deadline = self.clock.monotonic() + 20
            inputs = [(fd, len(text), Format.PNG)]
            runner = await self.reserve.runner()
            finished = await runner.run(inputs, [plan()], asker=Asker("t", deadline=deadline), digest=text)
        finally:
            os.close(fd)
        return finished.bodies[0].decode()

    @property
    def bench(self) -> Bench:
        return Bench(self.made[-1], self.clock, io.StringIO(), self.telemetry)


async def test_it_starts_with_its_first_job_and_stands_back_behind_everything() -> None:
    stand = Stand(BAD)
    assert stand.made == []
    pid = int(await stand.say("pid"))
    assert len(stand.made) == 1
    assert os.getpriority(os.PRIO_PROCESS, pid) == 19
    assert os.sched_getscheduler(pid) == os.SCHED_IDLE
    assert await stand.say("pid") == str(pid)
    assert stand.bench.metric("engine_workers", pool="reserve") == 1
    assert stand.bench.metric("engine_workers", pool="answers") == 0
    await stand.reserve.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


async def test_one_that_does_not_start_fails_its_job_and_the_next_job_tries_again() -> None:
    stand = Stand((sys.executable, "-c", "raise SystemExit('no')"), BAD)
    with pytest.raises(EngineFailed):
        await stand.say("pid")
    assert int(await stand.say("pid"))
    await stand.reserve.close()


async def test_closing_one_that_was_never_needed_or_never_started_is_quiet() -> None:
    await Stand().reserve.close()
    stand = Stand((sys.executable, "-c", "raise SystemExit('no')"))
    with pytest.raises(EngineFailed):
        await stand.say("pid")
    await stand.reserve.close()


async def test_workers_of_answers_stand_back_behind_the_server_a_little(engine: Benches) -> None:
    bench = await engine()
    own = os.getpriority(os.PRIO_PROCESS, 0)
    worker = await bench.a_worker()
    assert os.getpriority(os.PRIO_PROCESS, worker) == min(19, own + EngineSettings().nice)
    assert os.sched_getscheduler(worker) == os.sched_getscheduler(0)


async def test_a_worker_is_out_of_reach_of_a_terminal_but_shares_the_cpu_by_nice(engine: Benches) -> None:
    """Between sessions Linux shares the CPU evenly (sched_autogroup), however nice their processes are."""
    worker = await (await engine()).a_worker()
    assert os.getpgid(worker) != os.getpgid(0)
    assert os.getsid(worker) == os.getsid(0)

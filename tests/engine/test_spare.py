"""What nobody waits for begins while a worker has nothing to do, waits its turn, and not for ever."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass, field

import pytest

from tests.engine.conftest import Bench, Benches
from tintype.core.errors import BrokenImage
from tintype.services.behind import Behind

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")


@dataclass
class Clock:
    """The system's clock, `ahead` by some seconds."""

    bench: Bench
    ahead: float = 0.0

    def now(self) -> float:
        return self.bench.clock.now() + self.ahead

    def monotonic(self) -> float:
        return self.bench.clock.monotonic() + self.ahead


@dataclass
class Line:
    """A line of results over a pool of one worker, and when each began: whether the worker was through by then."""

    bench: Bench
    per_s: float = 1000.0
    busy: asyncio.Task[str] | None = None
    began: dict[str, bool] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.clock = Clock(self.bench)
        self.behind = Behind("promotion", self.per_s, self.bench.pool, self.clock, self.bench.metrics)

    def occupy(self, seconds: float) -> None:
        self.busy = asyncio.create_task(self.bench.say(f"sleep {seconds}"))

    def offer(self, key: str) -> bool:
        async def start() -> None:
            self.began[key] = self.busy is None or self.busy.done()
            if key == "broken":
                raise BrokenImage
            if key == "defect":
                raise ValueError(key)

        return self.behind.offer(key, start)

    def counted(self, result: str) -> float:
        return self.bench.metric("behind_total", reason="promotion", result=result)

    async def over(self) -> None:
        await self.bench.until(lambda: not len(self.behind))


@pytest.fixture
async def line(engine: Benches) -> Line:
    return Line(await engine())


async def test_it_waits_while_every_worker_is_busy(line: Line) -> None:
    line.occupy(0.5)
    await asyncio.sleep(0)
    assert line.offer("a")
    assert line.offer("b")
    assert not line.offer("a"), "it waits already"
    assert line.bench.metric("behind_pending", reason="promotion") == 2
    await line.over()
    assert line.began == {"a": True, "b": True}
    assert line.counted("made") == 2
    assert line.bench.metric("behind_seconds_count", reason="promotion") == 2
    assert line.bench.metric("behind_pending", reason="promotion") == 0


async def test_one_that_fails_stops_no_other(line: Line) -> None:
    assert line.offer("broken")
    assert line.offer("a")
    await line.over()
    assert (line.counted("failed"), line.counted("made")) == (1, 1)
    assert line.bench.events("promotion_failed")[0]["error"] == BrokenImage.code


async def test_a_defect_is_told_and_stops_no_other(line: Line) -> None:
    assert line.offer("defect")
    assert line.offer("a")
    await line.over()
    assert (line.counted("failed"), line.counted("made")) == (1, 1)
    assert line.bench.events("defect")[0]["path"] == "promotion"


async def test_what_has_waited_too_long_is_dropped_and_may_be_asked_for_again(line: Line) -> None:
    line.occupy(0.5)
    await asyncio.sleep(0)
    assert line.offer("a")
    line.clock.ahead += 61
    await line.over()
    assert line.began == {}
    assert line.counted("dropped") == 1
    assert line.offer("a")
    await line.over()
    assert line.began == {"a": True}


async def test_the_line_is_bounded(line: Line) -> None:
    line.occupy(0.5)
    await asyncio.sleep(0)
    taken = [line.offer(str(number)) for number in range(300)]
    assert taken == [True] * 256 + [False] * 44
    assert line.counted("left") == 44
    await line.behind.close()
    assert line.began == {}


async def test_more_than_a_second_s_budget_is_left(engine: Benches) -> None:
    line = Line(await engine(), per_s=3)
    assert [line.offer(str(number)) for number in range(5)] == [True, True, True, False, False]
    await line.over()
    line.clock.ahead += 1
    assert line.offer("4")
    await line.over()
    assert line.counted("made") == 4

"""The real worker: every format goes in and out inside the sandbox, in every isolation, and on uvloop."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest
import uvloop
from msgspec.structs import replace

from tests.engine.conftest import Bench, Benches, benches, sealed
from tintype.admission.asker import Asker
from tintype.core.errors import BrokenImage, ImageTooLarge
from tintype.core.formats import SAVABLE, Format
from tintype.core.limits import Limits
from tintype.core.plan import Load, Plan, Save, Scale, ToWorking, Turn
from tintype.engine.process import COMMAND
from tintype.engine.settings import Isolation
from tintype.ports import Finished

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="worker sandboxes are tested on Linux")

SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" width="96" height="64">
<rect width="96" height="64" fill="#36c"/><text x="4" y="40" font-size="24">text</text></svg>"""


def drawing(source: Format, result: Format, width: int = 96, height: int = 64) -> Plan:
    return Plan(
        load=Load(format=source, width=96, height=64),
        steps=(ToWorking(), Scale(width=width, height=height)),
        save=Save(format=result),
        width=width,
        height=height,
    )


async def render(bench: Bench, body: bytes, *plans: Plan) -> Finished:
    fd = sealed(body)
    try:
        return await bench.pool.run(
            [(fd, len(body), plans[0].load.format)],
            plans,
            asker=Asker("t", deadline=bench.clock.monotonic() + 60),
            digest="d",
        )
    finally:
        os.close(fd)


@pytest.mark.parametrize("isolation", list(Isolation))
async def test_every_format_goes_in_and_out(engine: Benches, isolation: Isolation) -> None:
    bench = await engine(command=COMMAND, isolation=isolation, require_sandbox=True)
    kinds = sorted(SAVABLE)
    written = await render(bench, SVG, *(drawing(Format.SVG, kind) for kind in kinds))
    assert [result.format for result in written.done.results] == kinds
    for kind, body in zip(kinds, written.bodies, strict=True):
        again = await render(bench, body, drawing(kind, Format.PNG, 48, 32))
        assert (again.done.results[0].width, again.done.results[0].height) == (48, 32), kind
        fd = sealed(body)
        info = await bench.pool.probe(
            fd,
            len(body),
            kind,
            asker=Asker("t", deadline=bench.clock.monotonic() + 60),
            digest="d",
            source_pixels=10_000,
        )
        os.close(fd)
        assert (info.format, info.width, info.height) == (kind, 96, 64)


async def test_the_same_plan_gives_the_same_bytes_in_every_isolation(engine: Benches) -> None:
    bodies = set()
    for isolation in Isolation:
        bench = await engine(command=COMMAND, isolation=isolation)
        for _ in range(2):
            bodies.add((await render(bench, SVG, drawing(Format.SVG, Format.WEBP))).bodies)
    assert len(bodies) == 1


async def test_the_codecs_are_proved_to_be_locked_down(engine: Benches) -> None:
    bench = await engine(command=COMMAND)
    checkup = await bench.pool.check()
    assert any("do not decode" in proof for proof in checkup.proofs)


async def test_an_image_that_needs_more_memory_than_allowed_is_refused_and_the_worker_lives(engine: Benches) -> None:
    bench = await engine(command=COMMAND, limits=Limits(worker_memory_bytes=100_000_000))
    upright = drawing(Format.SVG, Format.PNG, 5760, 8640)  # 200 MB, which a turn by 90 degrees needs at once
    large = Load(format=Format.SVG, width=8640, height=5760, scale=90.0)
    with pytest.raises((ImageTooLarge, BrokenImage)):
        await render(bench, SVG, replace(upright, load=large, steps=(ToWorking(), Turn(angle=90))))
    assert len((await render(bench, SVG, drawing(Format.SVG, Format.PNG))).bodies) == 1
    assert not bench.events("engine.worker_ended")


def test_the_pool_works_on_uvloop() -> None:
    async def main() -> None:
        assert isinstance(asyncio.get_running_loop(), uvloop.Loop)
        async with benches() as make:
            for isolation in (Isolation.NODE, Isolation.IMAGE):
                bench = await make(isolation=isolation, workers=2)
                said = await asyncio.gather(*(bench.say(f"echo {n}") for n in range(20)))
                assert said == [str(n) for n in range(20)]
                with pytest.raises(BrokenImage):
                    await bench.say("try segfault x")
                assert await bench.say("echo again") == "again"

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())

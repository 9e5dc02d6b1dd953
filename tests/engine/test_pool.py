"""The pool against real worker processes."""

from __future__ import annotations

from tests.engine.conftest import Benches


async def test_a_request_is_answered(engine: Benches) -> None:
    bench = await engine()
    assert await bench.say("echo hello") == "hello"
    assert (await bench.probe("echo four")).width == 4
    assert bench.events("engine.sandbox")[0]["missing"] == []
    print(bench.log.getvalue())

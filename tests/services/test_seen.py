"""What a node tells of its work: gauges of the pool, and the sources that cost most."""

from __future__ import annotations

import json
from pathlib import Path

from tests.services.conftest import Start
from tests.services.test_ladder import photo

ADMIN = '[server]\nadmin_token = "admin"\n'
BEARER = {"authorization": "Bearer admin"}


async def test_gauges_of_the_pool_and_costs_of_sources(tmp_path: Path, start: Start) -> None:
    for name in ("dear.jpg", "cheap.jpg"):
        (tmp_path / name).write_bytes(photo((1600, 1200) if name == "dear.jpg" else (40, 30)))
    running = await start(ADMIN)
    for width in (100, 200, 300, 20):
        name = "dear.jpg" if width > 20 else "cheap.jpg"
        assert (await running.ask(f"/unsafe/w:{width}/plain/local:///{name}%3Ftoken=secret")).status == 200
    assert running.metric("tintype_engine_memory_limit_bytes", pool="answers") > 1e8
    for gauge in ("engine_busy", "engine_memory_bytes", "engine_queue"):
        assert running.metric(f"tintype_{gauge}", pool="answers") == 0
    answer = await running.ask("/v1/top", **BEARER)
    first, *_, last = json.loads(answer.body)["sources"]
    assert (first["tenant"], first["source"]) == ("default", "local:///dear.jpg?***")
    assert first["ms"] > last["ms"] > 0
    assert "secret" not in answer.body.decode()
    assert len(json.loads((await running.ask("/v1/top?most=1", **BEARER)).body)["sources"]) == 1
    assert (await running.ask("/v1/top?most=0", **BEARER)).status == 422
    assert (await running.ask("/v1/top")).status == 403

"""What a node tells of its work: gauges of the pool, the sources that cost most, and what would happen to a request."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.cache.support import TickingClock
from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tests.services.test_ladder import photo
from tintype.services.answers import Timings
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
from tintype.web.slow import SlowLog

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


async def explained(running: Running, url: str, **more: str) -> dict[str, Any]:
    answer = await running.ask(f"/v1/explain?{urlencode({'url': url, **more})}", **BEARER)
    assert answer.status == 200, answer.body
    found: dict[str, Any] = json.loads(answer.body)
    return found


def untouched(running: Running) -> tuple[float, ...]:
    """Return what would grow if something were fetched, rendered, or looked up as for a request."""
    done = tuple(running.metric(f"tintype_{name}_total") for name in ("fetches", "engine_jobs", "rungs"))
    looked = [(f"tintype_cache_{name}_total", tier) for name in ("hits", "misses") for tier in ("ram", "disk")]
    return (*done, *(running.metric(name, tier=tier) for name, tier in looked))


async def test_explain_follows_a_photo_from_unknown_to_cached(tmp_path: Path, origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg?token=secret"] = Page(photo(), headers={"Cache-Control": "max-age=600"})
    running = await start("policy.ladder = [400]\nquota.ms_per_s = 100\n" + ADMIN)
    path = f"/unsafe/w:100/plain/{origin.url}/p.jpg%3Ftoken=secret"
    before = untouched(running)
    new = await explained(running, f"https://any.example{path}", purpose="prefetch")
    assert (new["source"]["known"], new["planned"], new["lane"]) == (False, None, "prefetch")
    assert (new["steps"], new["admission"]["lets_in"]) == (["fetch", "look", "render"], True)
    assert "has not been fetched" in new["unknown"][0]
    assert untouched(running) == before
    assert not origin.asked

    made = await running.ask(path)
    before = untouched(running)
    told = await explained(running, path)
    assert "secret" not in json.dumps(told)
    assert told["source"] | {"url": ""} == {
        "url": "", "known": True, "state": "fresh", "bytes": len(photo()), "format": "jpeg", "width": 1600, "height": 1200,
    }  # fmt: skip
    planned = told["planned"]
    assert f'"{planned["key"]}"' == made.headers["etag"]
    assert (planned["tier"], told["steps"]) == ("ram", ["answer from ram"])
    assert "Scale width=100 height=75" in planned["plan"]
    assert planned["predicted_ms"] > 0 < planned["peak_bytes"]
    assert untouched(running) == before

    other = path.replace("w:100", "w:200")
    told = await explained(running, other)
    assert (told["planned"]["tier"], told["planned"]["made_from"]) == ("", "original")
    assert (told["steps"], told["admission"]["wait_s"]) == (["render from the original"], 0)
    left = told["quotas"][0]["left_ms"]
    assert 0 < left <= told["quotas"][0]["quota_ms"] == 1000
    assert (await explained(running, other))["quotas"][0]["left_ms"] >= left  # to ask is free
    for width in (200, 300):
        await running.ask(path.replace("w:100", f"w:{width}"))
    assert (await explained(running, path.replace("w:100", "w:150")))["planned"]["made_from"] == "rung"


async def test_explain_says_what_would_be_refused(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start("quota.ms_per_s = 1\nquota.burst_s = 1\n" + ADMIN)
    assert (await running.ask("/unsafe/w:100/plain/local:///p.jpg")).status == 200
    path = "/unsafe/w:101/plain/local:///p.jpg"
    assert (await explained(running, path))["steps"][-1] == "refuse: quota_exceeded"
    assert (await running.ask(path)).status == 429


async def test_explain_of_what_is_no_image_url_is_what_the_image_path_says(start: Start) -> None:
    running = await start(ADMIN)
    for url in ("/unsafe/zz:1/plain/local:///p.jpg", "/unsafe/w:-1/plain/local:///p.jpg", "/unsafe/plain/"):
        image = await running.ask(url)
        told = await running.ask(f"/v1/explain?{urlencode({'url': url})}", **BEARER)
        assert json.loads(told.body)["code"] == image.headers["x-tintype-error"].split(":")[0]
        assert 400 <= told.status < 500
    assert (await running.ask("/v1/explain", **BEARER)).status == 422
    assert (await running.ask("/v1/explain?url=/unsafe/plain/local:///p.jpg")).status == 403


async def test_explain_of_an_original_and_after_a_restart(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(photo())
    running = await start(ADMIN)
    raw, path = "/unsafe/raw:1/plain/local:///p.jpg", "/unsafe/w:100/plain/local:///p.jpg"
    assert (await explained(running, raw))["steps"] == ["ask the origin", "send the original as it is"]
    await running.ask(path)
    running = await start(ADMIN)
    told = await explained(running, path)
    assert told["planned"]["tier"] == "disk"
    assert told["steps"][-1] == "answer from disk"


async def test_a_slow_request_says_what_it_took_its_time_for(tmp_path: Path, origin: Origin, start: Start) -> None:
    origin.pages["/p.jpg?token=secret"] = Page(photo(), headers={"Cache-Control": "max-age=600"}, delay_s=0.3)
    origin.pages["/fails.jpg"] = Page(status=500, delay_s=0.3)
    running = await start(ADMIN + "[telemetry]\nslow_request_s = 0.25\n")
    path = f"/a-trusted-signature-for-tests/w:100/plain/{origin.url}/p.jpg%3Ftoken=secret"
    assert (await running.ask(path)).status == 200
    (told,) = running.events("slow_request")
    assert (told["level"], told["status"], told["tenant"], told["lane"]) == ("warning", 200, "default", "interactive")
    assert (told["kind"], told["outcome"]) == ("cold", "miss")
    assert told["phases_ms"]["source"] > 250 < told["ms"]
    assert {"source", "queue", "decode", "steps", "encode"} <= told["phases_ms"].keys()
    assert told["plan"].startswith("Load format=jpeg")
    (request,) = running.events("request")
    assert told["request_id"] == request["request_id"]
    assert "secret" not in json.dumps(told)
    assert "a-trusted-signature-for-tests" not in json.dumps(told)
    await running.ask(path)  # a hit is quick
    assert len(running.events("slow_request")) == 1
    assert (await running.ask(f"/unsafe/w:100/plain/{origin.url}/fails.jpg")).status >= 500
    failed = running.events("slow_request")[-1]
    assert failed["error"]
    assert failed["phases_ms"]["source"] > 250


def test_when_everything_is_slow_a_few_are_told() -> None:
    out, clock = io.StringIO(), TickingClock()
    slow = SlowLog(1.0, clock, NodeTelemetry(TelemetrySettings(), out=out, strict=True))
    for _ in range(100):
        slow.note(2.0, Timings(), {"path": "/x"})
    clock.ahead_s += 3
    slow.note(0.5, Timings(), {"path": "/x"})
    slow.note(2.0, Timings(), {"path": "/x"})
    told = [json.loads(line) for line in out.getvalue().splitlines()]
    assert len(told) == 11
    assert [line["left_out"] for line in told] == [0] * 10 + [90]

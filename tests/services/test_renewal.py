"""Results of an old render epoch: served at once, renewed behind the answers, at a budgeted rate."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tests.services.test_render import BLUE, FRESH, RED, colour, evict, path, solid
from tintype.core.entry import Scope, Selector
from tintype.core.epoch import RENDER_EPOCH

VARIANTS = [f"w:{40 + i}" for i in range(6)]


async def old_results(monkeypatch: pytest.MonkeyPatch, start: Start, paths: list[str]) -> dict[str, str]:
    """Render with the old release, close it, and become the new one; returns the old ETags."""
    running = await start()
    etags = {asked: (await running.ask(asked)).headers["etag"] for asked in paths}
    monkeypatch.setattr("tintype.wiring.cases.RENDER_EPOCH", RENDER_EPOCH + 1)
    monkeypatch.setattr("tintype.wiring.cases.OLD_EPOCHS", (RENDER_EPOCH,))
    return etags


def renders(running: Running) -> float:
    return running.metric("tintype_engine_seconds_count", kind="run")


async def idle(running: Running) -> None:
    """Wait until no renewal is under way."""
    await asyncio.sleep(0)

    async def over() -> bool:
        return not any(len(behind) for behind in running.node.behind)

    await running.until(over)


async def test_old_results_are_served_and_renewed_within_the_budget(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.png").write_bytes(solid(RED, (120, 80)))
    paths = [f"/unsafe/{options}/plain/local:///r.png" for options in VARIANTS]
    old = await old_results(monkeypatch, start, paths)
    running = await start(renewals_per_s=0.01)  # one in 100 s, and none to begin with
    for asked in paths:
        answer = await running.ask(asked)
        assert (answer.status, answer.headers["etag"]) == (200, old[asked])
        assert "desc=hit" in answer.headers["server-timing"]
    await idle(running)
    assert renders(running) == 0
    for renewed in (1, 2):
        running.clock.ahead += 150
        for asked in paths:
            assert (await running.ask(asked)).status == 200
        await idle(running)
        assert renders(running) == renewed
    running.clock.ahead += 2  # the answers that were remembered are looked at again
    new = [asked for asked in paths if (await running.ask(asked)).headers["etag"] != old[asked]]
    assert len(new) == 2


async def test_in_the_end_all_are_renewed_and_old_etags_are_still_known(
    tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "r.png").write_bytes(solid(RED, (120, 80)))
    paths = [f"/unsafe/{options}/plain/local:///r.png" for options in VARIANTS]
    old = await old_results(monkeypatch, start, paths)
    running = await start(renewals_per_s=1000)
    etags: dict[str, str] = {}

    async def all_new() -> bool:
        running.clock.ahead += 2
        etags.update({asked: (await running.ask(asked)).headers["etag"] for asked in paths})
        await idle(running)
        return all(etags[asked] != old[asked] for asked in paths)

    await running.until(all_new)
    assert renders(running) == len(paths)
    assert len({*etags.values(), *old.values()}) == 2 * len(paths)


async def test_a_renewal_whose_source_has_changed_does_no_harm(
    tmp_path: Path, origin: Origin, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.pages["/c.png"] = Page(solid(RED), headers=FRESH)
    asked = path(origin, "c.png", "w:40")
    old = await old_results(monkeypatch, start, [asked])
    running = await start(renewals_per_s=1000)
    evict(tmp_path)
    origin.pages["/c.png"] = Page(solid(BLUE), headers=FRESH)
    first = await running.ask(asked)
    assert (first.headers["etag"], colour(first.body)) == (old[asked], RED)
    await idle(running)
    assert [event["error"] for event in running.events("renewal_failed")] == ["moved"]
    after = await running.ask(path(origin, "c.png", "width:40"))
    assert (after.status, colour(after.body)) == (200, BLUE)


async def test_a_renewal_that_fails_leaves_the_old_result(
    tmp_path: Path, origin: Origin, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    origin.pages["/f.png"] = Page(solid(RED), headers=FRESH)
    asked = path(origin, "f.png", "w:40")
    old = await old_results(monkeypatch, start, [asked])
    running = await start(renewals_per_s=1000)
    evict(tmp_path)
    origin.pages["/f.png"] = Page(b"", 500)
    for spelled in ("w:40", "width:40", "w:40/h:0"):
        answer = await running.ask(path(origin, "f.png", spelled))
        assert (answer.status, answer.headers["etag"]) == (200, old[asked])
        await idle(running)
    assert {event["error"] for event in running.events("renewal_failed")} == {"source_failed"}


async def test_a_purge_drops_old_results_too(tmp_path: Path, start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "r.png").write_bytes(solid(RED))
    asked = "/unsafe/w:40/plain/local:///r.png"
    old = await old_results(monkeypatch, start, [asked])
    running = await start(renewals_per_s=0.01)
    assert await running.node.cache.drop(Selector(scope=Scope.SOURCE, value="local:///r.png")) == 1
    answer = await running.ask(asked)
    assert answer.headers["etag"] != old[asked]
    assert "desc=miss" in answer.headers["server-timing"]

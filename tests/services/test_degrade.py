"""Degraded answers by a node without its server: what is less, what says so, and what is never given."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlencode

import pytest
from PIL import Image as Pillow

from tests.e2e.conftest import picture
from tests.e2e.node import Answer
from tests.e2e.origin import Origin, Page
from tests.services.conftest import Running, Start
from tests.services.test_render import BLUE, FRESH, RED, colour, evict, path, solid
from tintype.admission.asker import Asker
from tintype.config import load
from tintype.core.entry import Scope, Selector
from tintype.services.make import pipeline_tag

SOON_OLD = {"Cache-Control": "max-age=10, stale-while-revalidate=0"}
BROWSER = "image/avif,image/webp,*/*"
MINUTE, PRESSING = 60_000.0, 400.0


@contextmanager
def busy(running: Running, ms: float) -> Iterator[None]:
    """Have so many milliseconds of the tenant's work ahead of whoever comes."""
    ticket = running.node.gate.render(Asker("default"), ms, running.clock.monotonic())
    yield
    running.node.gate.leave(ticket)


@contextmanager
def pressed(running: Running) -> Iterator[None]:
    """Let everybody wait for longer than half of what is allowed, for longer than a page takes to come."""
    gate = running.node.gate
    with busy(running, PRESSING):
        gate.outlook(Asker("default"), 1.0, running.clock.monotonic())
        running.clock.ahead += 1.5
        yield


def told(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.headers.get("x-tintype-degraded", "")


def degraded(running: Running, step: str) -> float:
    return running.metric("tintype_degraded_total", step=step, tenant="default")


def kind(answer: Answer) -> str:
    return answer.headers["content-type"].removeprefix("image/")


# Stale: an older result


async def test_an_older_result_is_served_where_a_new_one_would_be_refused(origin: Origin, start: Start) -> None:
    origin.pages["/s.png"] = Page(solid(RED), headers=SOON_OLD)
    running, asked = await start(), path(origin, "s.png")
    first = await running.ask(asked)
    origin.pages["/s.png"] = Page(solid(BLUE), headers=SOON_OLD)
    running.clock.ahead += 20
    with busy(running, MINUTE):
        stale = await running.ask(asked)
        assert told(stale) == (200, "stale")
        assert (stale.body, stale.headers["etag"]) == (first.body, first.headers["etag"])
        assert stale.headers["cache-control"] == "max-age=10, public"
        assert "desc=degraded" in stale.headers["server-timing"]
        assert told(await running.ask(path(origin, "s.png", "w:91"))) == (503, "")
        current = await running.ask(asked, if_none_match=first.headers["etag"])
        assert (told(current), current.body) == ((304, "stale"), b"")
    assert degraded(running, "stale") == 2
    after = await running.ask(asked)  # nothing was remembered
    assert (told(after), colour(after.body)) == ((200, ""), BLUE)
    assert after.headers["cache-control"] == "max-age=31536000, public"


async def test_where_older_results_must_not_be_served_it_is_refused(origin: Origin, start: Start) -> None:
    """Where the origin forbids it, after a purge, after it said no or sent no image, and for one client's own."""
    strict = {"Cache-Control": "max-age=10, must-revalidate"}
    headers = {
        "strict": strict,
        "purged": SOON_OLD,
        "gone": SOON_OLD,
        "text": SOON_OLD,
        "turned": SOON_OLD,
        "mine": {"Cache-Control": "private"},
    }
    for size, (name, said) in enumerate(headers.items(), 50):  # each a result of its own
        origin.pages[f"/{name}.png"] = Page(solid(RED, (size, size)), headers=said)
    running = await start()
    for name in headers:
        assert told(await running.ask(path(origin, f"{name}.png"))) == (200, "")
    await running.node.cache.drop(Selector(scope=Scope.SOURCE, value=f"{origin.url}/purged.png"))
    origin.pages |= {f"/{name}.png": Page(solid(BLUE), headers=said) for name, said in headers.items()}
    origin.pages |= {"/gone.png": Page(b"no", 404), "/text.png": Page(b"text", headers=SOON_OLD)}
    origin.pages["/turned.png"] = Page(solid(BLUE), headers=headers["mine"])
    running.clock.ahead += 20
    with busy(running, MINUTE):
        statuses = {name: (await running.ask(path(origin, f"{name}.png"))).status for name in headers}
    assert statuses == {"strict": 503, "purged": 503, "gone": 404, "text": 422, "turned": 503, "mine": 503}
    assert degraded(running, "stale") == 0


@pytest.mark.parametrize("tenant", ["", "degrade = []"])
async def test_a_tenant_that_has_changed_and_one_without_degradation(
    tmp_path: Path, origin: Origin, start: Start, tenant: str
) -> None:
    origin.pages["/s.png"] = Page(solid(RED), headers=SOON_OLD)
    running, asked = await start(tenant), path(origin, "s.png")
    assert (await running.ask(asked)).status == 200
    if not tenant:
        running.node.reload(load(env={}, path=str(tmp_path / "tintype.toml")).config)
    origin.pages["/s.png"] = Page(solid(BLUE), headers=SOON_OLD)
    running.clock.ahead += 20
    with busy(running, MINUTE):
        assert told(await running.ask(asked)) == (503, "")


async def test_an_older_result_is_served_while_its_origin_fails(tmp_path: Path, origin: Origin, start: Start) -> None:
    """As what the URL means is known, and so where the bytes are gone: to make the new result anew takes the origin."""
    origin.pages["/e.png"] = Page(solid(RED), headers=SOON_OLD)
    origin.pages["/f.png"] = Page(solid(RED, (80, 80)), headers=FRESH)
    running = await start('degrade = ["stale", "larger"]')
    first = [await running.ask(path(origin, name)) for name in ("e.png", "f.png")]
    origin.pages |= {"/e.png": Page(b"", 500), "/f.png": Page(b"", 500)}
    bodies = tmp_path / "var" / "sources" / "bodies"

    async def stored() -> bool:
        return sum(file.parent != bodies for file in bodies.rglob("*") if file.is_file()) == 2

    await running.until(stored)
    evict(tmp_path)
    running.clock.ahead += 60  # nothing is held open any more
    failing = await running.ask(path(origin, "e.png"))
    assert (told(failing), failing.headers["cache-control"]) == ((200, "stale"), "max-age=10, public")
    larger = await running.ask(path(origin, "f.png", "w:40"))
    assert (told(larger), larger.body) == ((200, "larger"), first[1].body)


# Format and effort: less of a result


async def test_under_pressure_a_quicker_format_is_made_where_the_client_takes_one(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(picture(400, 300))
    running = await start('policy.auto_formats = ["avif", "webp"]\ndelivery.promote = false\ndegrade = ["format"]')
    usual = await running.ask("/unsafe/w:60/plain/local:///p.jpg", accept=BROWSER)
    assert (told(usual), kind(usual)) == ((200, ""), "avif")
    with pressed(running):
        less = await running.ask("/unsafe/w:61/plain/local:///p.jpg", accept=BROWSER)
        named = await running.ask("/unsafe/w:61/plain/local:///p.jpg@avif", accept=BROWSER)
        old = await running.ask("/unsafe/w:62/plain/local:///p.jpg", accept="image/avif")
    assert (told(less), kind(less), less.headers["cache-control"]) == ((200, "format"), "webp", "max-age=10, public")
    assert (told(named), kind(named)) == ((200, ""), "avif")
    assert (told(old), kind(old)) == ((200, "format"), "jpeg")
    assert less.headers["vary"] == "Accept"
    after = await running.ask("/unsafe/w:61/plain/local:///p.jpg", accept=BROWSER)
    assert (told(after), kind(after)) == ((200, ""), "avif")
    assert after.headers["etag"] != less.headers["etag"]
    assert degraded(running, "format") == 2


async def test_under_pressure_less_effort_is_made_under_a_key_of_its_own(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(picture(400, 300))
    asked = "/unsafe/w:200/plain/local:///p.jpg@webp"
    running = await start('policy.light = "linear"')
    await running.ask("/unsafe/w:50/plain/local:///p.jpg")
    with pressed(running):
        less = await running.ask(asked)
        again = await running.ask(asked)
        assert told(await running.ask(asked, if_none_match=less.headers["etag"])) == (304, "effort")
    assert [told(less), told(again)] == [(200, "effort")] * 2
    assert (again.body, again.headers["etag"]) == (less.body, less.headers["etag"])
    assert "desc=hit" in again.headers["server-timing"]
    whole = await running.ask(asked)
    assert (told(whole), whole.headers["cache-control"]) == ((200, ""), "max-age=31536000, public")
    assert whole.headers["etag"] != less.headers["etag"]
    with pressed(running):  # what is in a cache is given whole
        assert told(await running.ask(asked)) == (200, "")
    with busy(running, MINUTE):  # and what cannot be made, as it was answered with last
        running.clock.ahead += 20
        await running.node.cache.drop(Selector(scope=Scope.KEY, value=whole.headers["etag"].strip('"')))
        assert told(await running.ask(asked)) == (503, "")


# Larger


async def test_a_larger_result_stands_in_if_the_tenant_allows_it(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(picture(400, 300))

    def at(options: str) -> str:
        return f"/unsafe/{options}/plain/local:///p.jpg"

    running = await start('degrade = ["larger"]')
    kept = {options: await running.ask(at(options)) for options in ("w:300", "w:120", "rs:fill:80:80")}
    with busy(running, MINUTE):
        answer = await running.ask(at("w:100"))
        assert told(answer) == (200, "larger")
        assert answer.body == kept["w:120"].body
        assert answer.headers["etag"] == kept["w:120"].headers["etag"]
        assert answer.headers["cache-control"] == "max-age=10, public"
        assert Pillow.open(io.BytesIO(answer.body)).size == (120, 90)
        assert (await running.ask(at("rs:fill:40:40"))).body == kept["rs:fill:80:80"].body
        refused = ["w:310", "rs:fill:40:80", "w:100/bl:5", "w:100/q:30", "w:20"]
        assert [(await running.ask(at(options))).status for options in refused] == [503] * 5
        # It goes by the names of what it has answered, so that a purge of the small one takes it along; and no other that
        # was made before that purge stands in for it.
        asked = running.node.site.mounts.mounts[0].dialect.parse(at("w:100"), 0.0)
        await running.node.cache.drop(Selector(scope=Scope.TAG, value=pipeline_tag(asked)))
        assert (await running.ask(at("w:100"))).status == 503
        assert await running.node.cache.get(kept["w:120"].headers["etag"].strip('"')) is None
        assert (await running.ask(at("w:101"))).body == kept["w:300"].body
    assert degraded(running, "larger") == 3


@pytest.mark.parametrize("tenant", ["", 'degrade = ["stale", "format", "effort"]'])
async def test_without_leave_nothing_larger_is_given(tmp_path: Path, start: Start, tenant: str) -> None:
    (tmp_path / "p.jpg").write_bytes(picture(400, 300))
    running = await start(tenant)
    assert (await running.ask("/unsafe/w:120/plain/local:///p.jpg")).status == 200
    with busy(running, MINUTE):
        assert told(await running.ask("/unsafe/w:100/plain/local:///p.jpg")) == (503, "")


# Foretold


async def foretold(running: Running, url: str, accept: str = "") -> tuple[str, str]:
    """Return what explain says of a URL, and what becomes of it then."""
    query = urlencode({"url": url, "accept": accept})
    explained = json.loads((await running.ask(f"/v1/explain?{query}", authorization="Bearer admin")).body)
    answer = await running.ask(url, **({"accept": accept} if accept else {}))
    assert explained["steps"][-1].startswith("refuse" if answer.status == 503 else ("render", "answer"))
    return explained["degraded"], told(answer)[1] or "none"


async def test_explain_says_what_would_be_less_and_makes_nothing(tmp_path: Path, start: Start) -> None:
    (tmp_path / "p.jpg").write_bytes(picture(400, 300))
    admin = '\n[server]\nadmin_token = "admin"'
    more = 'policy.auto_formats = ["avif", "webp"]\npolicy.light = "linear"\ndelivery.promote = false'
    running = await start(f'{more}\ndegrade = ["stale", "format", "effort", "larger"]{admin}')
    url = "/unsafe/w:{}/plain/local:///p.jpg".format
    assert await foretold(running, url(200)) == ("", "none"), "it has not been fetched"
    assert await foretold(running, url(200)) == await foretold(running, url(300)) == ("none", "none")
    with pressed(running):
        assert await foretold(running, url(60), BROWSER) == ("format", "format")
        assert await foretold(running, url(60), BROWSER) == ("format", "format"), "from the cache, too"
        assert await foretold(running, url(210)) == ("effort", "effort")
        assert await foretold(running, url(200)) == ("none", "none"), "it is kept whole"
        done = running.metric("tintype_engine_jobs_total", kind="render", result="done")
        query = urlencode({"url": url(220)})
        await running.ask(f"/v1/explain?{query}", authorization="Bearer admin")
        assert running.metric("tintype_engine_jobs_total", kind="render", result="done") == done
    with busy(running, MINUTE):
        assert await foretold(running, url(100)) == ("larger", "larger")
        assert await foretold(running, url(390)) == ("none", "none"), "it is refused"


async def test_explain_says_when_an_older_result_would_do(origin: Origin, start: Start) -> None:
    origin.pages["/s.png"] = Page(solid(RED), headers=SOON_OLD)
    running, asked = await start('\n[server]\nadmin_token = "admin"'), path(origin, "s.png")
    await running.ask(asked)
    origin.pages["/s.png"] = Page(solid(BLUE), headers=SOON_OLD)
    running.clock.ahead += 20
    with busy(running, MINUTE):
        assert await foretold(running, asked) == ("stale", "stale")

"""Logs of a real node: whatever is asked and however it ends, no query and no user of a source, no signature as a whole."""

from __future__ import annotations

import base64
import random
from urllib.parse import quote

import pytest

from tests.e2e.origin import Origin, Page
from tests.services.conftest import Start
from tests.services.test_purge import asked, picture, purge, purge_of
from tintype.core.entry import Scope

SECRET = "S3cr3tValue0123456789"
SIGNED = '[[tenants.default.keys]]\nkey = "aa11"\nsalt = "bb22"'
TRUSTED = "a-trusted-signature-for-tests"  # of the settings in conftest.py
IN_BASE64 = tuple(base64.urlsafe_b64encode(b"x" * at + SECRET.encode()).decode()[4:-4] for at in range(3))


def coded(url: str) -> str:
    return base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


def targets(origin: Origin) -> list[str]:
    """Requests that end well and requests that end otherwise, each with a secret in its source."""
    host = origin.url.removeprefix("http://")
    sources = [
        f"{origin.url}/{name}?X-Amz-Signature={SECRET}&token={SECRET}"
        for name in ("a.png", "missing.png", "broken.png")
    ]
    sources += [f"http://user:{SECRET}@{host}/a.png", f"http://{SECRET}@{host}/missing.png?sig={SECRET}"]
    sources += [f"http://169.254.169.254/latest?token={SECRET}", f"ftp://u:{SECRET}@host/a?{SECRET}"]
    options = ["w:40", "w:40/ct:cats", "w:nonsense", "nonsense:1", f"fn:{SECRET[:3]}", "raw:1"]
    spelled = []
    for source in sources:
        text = coded(source)
        spelled += [f"plain/{quote(source, safe='')}", f"plain/{quote(source, safe=':/@')}", f"plain/{source}@webp"]
        spelled += [text, f"{text}.webp", f"{text[:30]}/{text[30:]}", text[1:], f"{text}$", f"plain/{text}"]
    return [
        f"/{sign}/{option}/{one}"
        for sign in (TRUSTED, "wrong-signature-abcdef")
        for option in options
        for one in spelled
    ]


async def test_no_log_line_has_a_secret_of_a_source(origin: Origin, start: Start) -> None:
    origin.pages |= {"/a.png": picture(), "/broken.png": Page(b"\x89PNG\r\n\x1a\n broken")}
    origin.pages |= {f"/a.png?X-Amz-Signature={SECRET}&token={SECRET}": picture()}
    running = await start(tenant=SIGNED)
    running_targets = random.Random(7).sample(targets(origin), 150)
    for target in running_targets:
        answer = await running.ask(target)
        assert SECRET not in answer.headers.get("x-tintype-error", "")
    lines = running.log.getvalue()
    statuses = {event["status"] for event in running.events("request")}
    assert {200, 403, 404} <= statuses, "the test asks for all kinds"
    assert len(running.events("request")) == len(running_targets)
    for secret in (SECRET, SECRET[:12], TRUSTED, *IN_BASE64):
        assert secret not in lines
    assert "/a.png" in lines


async def test_a_hit_says_what_a_miss_said(origin: Origin, start: Start) -> None:
    origin.pages["/a.png"] = picture()
    running = await start()
    for _ in range(3):
        await running.ask(f"/{TRUSTED}/w:40/{coded(f'{origin.url}/a.png')}.webp")
    paths = {event["path"] for event in running.events("request")}
    assert paths == {f"/a-trus***/w:40/base64:{origin.url}/a.png.webp"}


async def test_a_tenants_prefix_stays(origin: Origin, start: Start) -> None:
    origin.pages["/a.png"] = picture()
    running = await start(tenant='prefix = "/shop"')
    await running.ask(f"/shop/{TRUSTED}/w:40/plain/{origin.url}/a.png")
    await running.ask(f"/elsewhere/{TRUSTED}/w:40/{coded(f'http://u:{SECRET}@h/a?{SECRET}')}")
    known, unknown = (event["path"] for event in running.events("request"))
    assert known == f"/shop/a-trus***/w:40/plain/{origin.url}/a.png"
    assert unknown == "/elsewhere/a-trus***/w:40/aHR0cD***"


@pytest.mark.parametrize("soft", [False, True])
async def test_purges_name_the_source_without_its_query(origin: Origin, start: Start, soft: bool) -> None:
    running = await start()
    url = f"http://user:{SECRET}@h.example/a.png?token={SECRET}"
    await purge_of(running).url("default", asked(running, f"/unsafe/w:40/plain/{quote(url, safe='')}"), soft=soft)
    await purge(running, Scope.SOURCE, url)
    await purge(running, Scope.PREFIX, url)
    values = {event["value"] for event in running.events("purged")}
    assert values == {"http://***@h.example/a.png?***"}
    assert SECRET not in running.log.getvalue()

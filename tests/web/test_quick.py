"""The quick path: what it answers and how, and what it leaves to the usual way."""

from __future__ import annotations

import asyncio
import io
import json
from functools import partial
from typing import Any

import pytest

from tests.cache.support import TickingClock, make_entry
from tintype.cache.ram import RamCache
from tintype.cache.tiers import Tiers
from tintype.core.purges import Purges
from tintype.core.tenant import DeliverySettings, Tenant
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings
from tintype.web.headers import http_date
from tintype.web.memo import Headers, Memo, Remembered
from tintype.web.mounts import Mount, Mounts, Site
from tintype.web.quick import Quick

PATH, ETAG, BODY, CHANGED = b"/s/plain/u", b'"key"', b"picture", 1_700_000_000.0


class Stand:
    """A quick path that knows one answer, with everything it is made of."""

    def __init__(self, *, secret: str = "") -> None:
        clock, self.log = TickingClock(), io.StringIO()
        tenant = Tenant(name="default", delivery=DeliverySettings(secret=secret))
        self.telemetry = NodeTelemetry(TelemetrySettings(), out=self.log, strict=True)
        self.cache = Tiers(RamCache(1_000_000, telemetry=self.telemetry), (), purges=Purges(), clock=clock)
        self.memo = Memo()
        site = Site(Mounts.of([Mount(tenant, Imgproxy(ImgproxySettings()))]))
        self.quick = Quick(site, self.memo, self.cache, clock, self.telemetry, lambda *_: None)
        modified = http_date(CHANGED).encode()
        headers: Headers = [(b"content-type", b"image/png"), (b"etag", ETAG), (b"last-modified", modified)]
        again = partial(self.quick.ready, tenant, "/shown", headers, len(BODY))
        known = Remembered("key", ETAG, headers, clock.now() + 3600, modified, None if secret else again)
        self.memo.put(site.mounts.question(PATH, b"", {}), known, self.memo.generation)

    def keep(self) -> None:
        asyncio.run(self.cache.put("key", make_entry(BODY)))

    def ask(self, method: str = "GET", headers: Headers | None = None, path: bytes = PATH) -> Any:
        return self.quick({"method": method, "raw_path": path, "query_string": b"", "headers": headers or []})

    def told(self) -> dict[str, Any]:
        self.telemetry.close()
        line: dict[str, Any] = json.loads(self.log.getvalue().splitlines()[-1])
        return {name: line[name] for name in ("method", "status", "bytes", "outcome", "path", "tenant")}


def without_id(start: dict[str, Any]) -> dict[bytes, bytes]:
    return {name: value for name, value in start["headers"] if name != b"x-request-id"}


def test_the_whole_is_answered_from_the_cache() -> None:
    stand = Stand()
    stand.keep()
    start, body = stand.ask()
    assert (start["status"], body["body"]) == (200, BODY)
    assert without_id(start)[b"content-length"] == b"7"
    assert stand.told() == {
        "method": "GET",
        "status": 200,
        "bytes": 7,
        "outcome": "hit",
        "path": "/shown",
        "tenant": "default",
    }


def test_a_head_needs_no_result_at_hand_and_says_what_a_get_does() -> None:
    stand = Stand()
    head, body = stand.ask("HEAD")
    stand.keep()
    get, _ = stand.ask()
    assert (head["status"], body["body"], without_id(head)) == (200, b"", without_id(get))
    assert stand.ask("HEAD") is not None
    assert stand.told()["method"] == "HEAD"


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    "condition",
    [
        (b"if-none-match", ETAG),
        (b"if-none-match", b"*"),
        (b"if-none-match", b'"other", W/"key"'),
        (b"if-modified-since", http_date(CHANGED).encode()),
    ],
)
def test_who_has_it_is_told_so_with_no_result_at_hand(method: str, condition: tuple[bytes, bytes]) -> None:
    stand = Stand()
    start, body = stand.ask(method, [condition])
    assert (start["status"], body["body"]) == (304, b"")
    named = without_id(start)
    assert named[b"etag"] == ETAG
    assert not {b"content-length", b"content-type"} & set(named)
    told = stand.told()
    assert (told["status"], told["bytes"], told["method"]) == (304, 0, method)


@pytest.mark.parametrize(
    "condition", [(b"if-none-match", b'"other"'), (b"if-modified-since", http_date(CHANGED - 60).encode())]
)
def test_who_has_another_gets_the_whole(condition: tuple[bytes, bytes]) -> None:
    stand = Stand()
    stand.keep()
    start, body = stand.ask("GET", [condition])
    assert (start["status"], body["body"]) == (200, BODY)


def test_what_is_not_plain_is_left_to_the_usual_way() -> None:
    stand = Stand()
    assert stand.ask() is None, "no result at hand"
    stand.keep()
    assert stand.ask() is not None
    assert stand.ask("POST") is None
    assert stand.ask(path=b"/s/plain/other") is None
    assert stand.ask(headers=[(b"range", b"bytes=0-1")]) is None
    assert stand.ask(headers=[(b"accept", b"a"), (b"accept", b"b")]) is None
    stand.quick.closed = True
    assert stand.ask() is None


def test_where_a_token_is_wanted_every_request_is_looked_at() -> None:
    stand = Stand(secret="open sesame")
    stand.keep()
    assert stand.ask() is None
    assert stand.ask("HEAD") is None
    assert stand.ask(headers=[(b"if-none-match", ETAG)]) is None

"""Hits through HTTP: an answer given again says the same as the first, from memory and from disk, and is counted."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page

SECRET = """
[tenants.secret]
prefix = "/secret"
trusted_signatures = ["unsafe"]
[tenants.secret.delivery]
secret = "open sesame"
"""
ITS_OWN = {"x-request-id", "server-timing", "date"}


@pytest.fixture(scope="module", params=["memory", "disk"])
def node(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    ram = "\n[cache]\nram_bytes = 0\n" if request.param == "disk" else ""
    with running(tmp_path_factory.mktemp("hits"), OPEN + SECRET + ram, metrics=True) as one:
        yield one


def asked(origin: Origin, name: str, width: int = 90) -> str:
    origin.pages.setdefault(f"/{name}", Page(picture(seed=len(name)), headers={"Cache-Control": "max-age=3600"}))
    return f"/unsafe/w:{width}/plain/{origin.url}/{name}"


def same(one: Answer, other: Answer) -> None:
    assert (one.status, one.body) == (other.status, other.body)
    assert {k: v for k, v in one.headers.items() if k not in ITS_OWN} == {
        k: v for k, v in other.headers.items() if k not in ITS_OWN
    }


def told(node: Node, request_id: str) -> dict[str, Any]:
    deadline = time.monotonic() + 60
    while True:
        lines = [line for line in node.log.splitlines() if f'"{request_id}"' in line]
        if lines:
            assert len(lines) == 1
            line: dict[str, Any] = json.loads(lines[0])
            return line
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_hit_says_what_the_first_answer_said(node: Node, origin: Origin) -> None:
    path = asked(origin, "again.jpg")
    first = node.ask(path)
    hits = [node.ask(path, headers={"X-Request-ID": f"again-{node.port}-{n}"}) for n in range(5)]
    for hit in hits:
        same(first, hit)
        assert hit.headers["server-timing"].startswith("cache;desc=hit")
    line = told(node, f"again-{node.port}-4")
    assert {k: v for k, v in line.items() if k not in ("time", "ms", "path")} == {
        "level": "info",
        "event": "request",
        "request_id": f"again-{node.port}-4",
        "method": "GET",
        "status": 200,
        "tenant": "default",
        "outcome": "hit",
        "bytes": len(first.body),
    }
    assert list(line)[:4] == ["time", "level", "event", "request_id"]
    assert line["path"].endswith("/again.jpg")
    assert 0 <= line["ms"] < 10_000


def test_every_request_has_an_id_of_its_own(node: Node, origin: Origin) -> None:
    path = asked(origin, "ids.jpg")
    ids = [node.ask(path).headers["x-request-id"] for _ in range(6)]
    assert len(set(ids)) == 6
    assert node.ask(path, headers={"X-Request-ID": "a b<c"}).headers["x-request-id"] != "a b<c"


def test_hits_are_counted(node: Node, origin: Origin) -> None:
    path = asked(origin, "counted.jpg")
    size = len(node.ask(path, headers={"X-Request-ID": f"counted-{node.port}"}).body)
    told(node, f"counted-{node.port}")  # and so counted
    names = ("requests_total", "response_bytes_total", "request_seconds_count", "cache_hits_total")
    hit = {"outcome": "hit"}
    labels: tuple[dict[str, str], ...] = (
        {**hit, "status": "2xx"},
        {"tenant": "default"},
        {"tenant": "default", "kind": "hit"},
        {},
    )

    def counts() -> list[float]:
        return [node.metric(f"tintype_{name}", **label) for name, label in zip(names, labels, strict=True)]

    before = counts()
    for number in range(10):
        assert node.ask(path, headers={"X-Request-ID": f"count-{node.port}-{number}"}).status == 200
    for number in range(10):
        told(node, f"count-{node.port}-{number}")
    grown = [now - then for now, then in zip(counts(), before, strict=True)]
    assert grown == [10, 10 * size, 10, 10]


def test_conditions_ranges_and_heads_of_hits(node: Node, origin: Origin) -> None:
    path = asked(origin, "part.jpg")
    first = node.ask(path)
    node.ask(path)
    etag = first.headers["etag"]
    unchanged = node.ask(path, headers={"If-None-Match": etag})
    assert unchanged.status == 304
    same(unchanged, node.ask(path, headers={"If-None-Match": etag, "Range": "bytes=0-1"}))  # this one the usual way
    assert node.ask(path, headers={"If-None-Match": '"other"'}).status == 200
    part = node.ask(path, headers={"Range": "bytes=2-5"})
    assert (part.status, part.body, part.headers["content-range"]) == (
        206,
        first.body[2:6],
        f"bytes 2-5/{len(first.body)}",
    )
    head = node.ask(path, method="HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(first.body)))
    assert node.ask(path, method="POST").status == 405


def test_a_purge_ends_hits(node: Node, origin: Origin) -> None:
    name = f"purged-{node.port}.jpg"
    path = asked(origin, name)
    old = [node.ask(path) for _ in range(3)][-1]
    origin.pages[f"/{name}"] = Page(picture(seed=77), headers={"Cache-Control": "max-age=3600"})
    assert node.ask(path).body == old.body
    body = json.dumps({"source": f"{origin.url}/{name}"}).encode()
    answer = node.ask("/v1/purge", "POST", {"Authorization": "Bearer admin", "Content-Type": "application/json"}, body)
    assert answer.status == 200, answer.body
    assert node.ask(path).body != old.body


def test_a_token_is_asked_of_every_request(node: Node, origin: Origin) -> None:
    path = "/secret" + asked(origin, "token.jpg")
    key = {"Authorization": "Bearer open sesame"}
    assert [node.ask(path, headers=key).status for _ in range(3)] == [200, 200, 200]
    assert node.ask(path).status == 403


def test_a_file_that_changed_on_disk_is_never_served(tmp_path: Path, origin: Origin) -> None:
    with running(tmp_path, OPEN + "\n[cache]\nram_bytes = 0\n", metrics=True) as node:
        path = asked(origin, "damaged.jpg")
        whole = node.ask(path)
        deadline = time.monotonic() + 60
        while not (files := [f for f in (tmp_path / "var/cache/files").rglob("*") if f.is_file()]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        for _ in range(4):
            same(whole, node.ask(path))
        (file,) = files
        assert file.stat().st_size == len(whole.body)
        file.write_bytes(whole.body[:-1] + bytes([whole.body[-1] ^ 1]))
        for _ in range(3):
            same(whole, node.ask(path))
        assert node.metric("tintype_cache_damaged_total", tier="disk") == 1

"""Keys through HTTP: same ETag, same bytes; what was purged stays away; what is damaged is never served."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page
from tests.e2e.test_images import path

FRESH = {"Cache-Control": "max-age=600", "Content-Type": "image/jpeg"}
# Without the control API, whose import costs half a second.
QUICK = OPEN.replace('[server]\nadmin_token = "admin"\n', "")
NOTHING_KEPT = "\n[cache]\nram_bytes = 0\ndisk_bytes = 0\n"
NO_RAM = "\n[cache]\nram_bytes = 0\n"


def wait(for_what: str, until: Callable[[], bool], timeout_s: float = 90) -> None:
    deadline = time.monotonic() + timeout_s
    while not until():
        assert time.monotonic() < deadline, f"never: {for_what}"
        time.sleep(0.05)


def purge(node: Node, **what: object) -> None:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer admin"}
    assert node.ask("/v1/purge", "POST", headers, json.dumps(what).encode()).status == 200


def rendered(node: Node) -> float:
    return node.metric("tintype_engine_seconds_count", kind="run")


# Same key, same bytes

VARIANTS = [
    ("w:90", ""),
    ("rs:fill:80:80/g:sm", "@png"),
    ("w:120/bl:2", "@webp"),
    ("w:64", "@avif"),
    ("w:60", "@gif"),
    ("w:60/sh:1", "@tiff"),
    ("w:50/q:30", "@jxl"),
    ("rot:90/w:70/pd:4/bg:fff", "@jpg"),
    ("w:200/mb:3000", "@jpg"),
    ("t:20/w:99", "@bmp"),
]


def test_same_etag_same_bytes_in_any_worker_process_or_folder(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/same.png"] = Page(picture(700, 500, seed=80, suffix=".png"), headers=FRESH)
    seen: dict[str, set[bytes]] = {}
    for i, settings in enumerate((NOTHING_KEPT, NOTHING_KEPT + "\n[engine]\nworkers = 1\nisolation = 'image'\n", "")):
        folder = tmp_path / str(min(i, 1))  # the third finds what the second knew of sources
        folder.mkdir(exist_ok=True)
        toml = QUICK.replace("[engine]\nworkers = 2\n", "") if "[engine]" in settings else QUICK
        with running(folder, toml + settings) as node, ThreadPoolExecutor(4) as many:
            for answer in many.map(node.ask, [path(origin, "same.png", o, e) for o, e in VARIANTS] * 2):
                assert answer.status == 200, answer.headers
                seen.setdefault(answer.headers["etag"], set()).add(answer.body)
    assert len(seen) == len(VARIANTS)
    assert {len(bodies) for bodies in seen.values()} == {1}


def test_keys_differ_by_tenant_watermark_and_source(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/k1.jpg"] = Page(picture(seed=81), headers=FRESH)
    origin.pages["/k2.jpg"] = Page(picture(seed=82), headers=FRESH)
    mark = tmp_path / "mark.png"
    toml = OPEN + f'\n[tenants.red]\nprefix = "/red"\ntrusted_signatures = ["unsafe"]\nwatermark.path = "{mark}"\n'
    mark.write_bytes(picture(30, 30, seed=83, suffix=".png"))
    with running(tmp_path, toml) as node:
        marked = "/red" + path(origin, "k1.jpg", "w:90/wm:1")
        etags = [node.ask(p).headers["etag"] for p in (path(origin, "k1.jpg", "w:90"), path(origin, "k2.jpg", "w:90"))]
        etags += [node.ask(p).headers["etag"] for p in ("/red" + path(origin, "k1.jpg", "w:90"), marked)]
        before = node.ask(marked)
        mark.write_bytes(picture(30, 30, seed=84, suffix=".png"))
        node.process.send_signal(signal.SIGHUP)
        wait("the new watermark", lambda: node.ask(marked).headers["etag"] != before.headers["etag"])
        after = node.ask(marked)
    assert len({*etags, after.headers["etag"]}) == 5
    assert after.body != before.body


# A storm of revalidations


def test_if_none_match_on_fresh_bindings_needs_neither_bodies_nor_renders_nor_fetches(
    tmp_path: Path, origin: Origin
) -> None:
    for i in range(6):
        origin.pages[f"/storm{i}.jpg"] = Page(picture(seed=850 + i), headers=FRESH)
    paths = [path(origin, f"storm{i}.jpg", f"w:{50 + j}") for i in range(6) for j in range(6)]
    with running(tmp_path, QUICK + NOTHING_KEPT) as node:
        etags = {p: node.ask(p).headers["etag"] for p in paths}
    for stored in (tmp_path / "var" / "sources" / "bodies").rglob("*"):
        if stored.is_file() and "index" not in stored.name and ".sqlite" not in stored.name:
            stored.unlink()
    asked = len(origin.asked)
    with running(tmp_path, QUICK + NOTHING_KEPT, metrics=True) as node, ThreadPoolExecutor(8) as many:
        asks = [(p, {"If-None-Match": etags[p]}) for p in paths * 6]
        answers = list(many.map(lambda ask: node.ask(ask[0], headers=ask[1]), asks))
        spelled = node.ask(path(origin, "storm0.jpg", "width:50/h:0"), headers={"If-None-Match": etags[paths[0]]})
        assert {a.status for a in [*answers, spelled]} == {304}
        assert all(a.headers["etag"] == etags[p] for a, (p, _) in zip(answers, asks, strict=True))
        assert rendered(node) == 0
        assert node.metric("tintype_engine_jobs_total") <= 3  # readiness checks; six sources would be six probes
        assert node.metric("tintype_fetches_total") == 0
    assert len(origin.asked) == asked


# Purges and what is in flight


def test_a_render_in_flight_does_not_put_back_what_was_purged(tmp_path: Path, origin: Origin) -> None:
    """Purge at many moments of a slow render; whenever it was, a purge must be the last word."""
    origin.pages["/flight.png"] = Page(picture(1600, 1200, seed=90, suffix=".png"), headers=FRESH)
    with running(tmp_path, OPEN, metrics=True) as node:
        node.ask(path(origin, "flight.png", "w:16"))  # bound and stored
        in_flight = 0
        wait("it is at rest", lambda: node.metric("tintype_engine_busy") == 0)
        for i, delay_s in enumerate((0.0, 0.0, 0.02, 0.05, 0.1, 0.3)):
            slow = path(origin, "flight.png", f"w:{1500 + i}/bl:8", "@avif")
            with ThreadPoolExecutor(1) as one:
                asking = one.submit(node.ask, slow)
                wait("it is begun", lambda: node.metric("tintype_engine_busy") == 1)
                time.sleep(delay_s)
                purge(node, tag=f"pipeline:{i}") if i % 2 else purge(node, source=f"{origin.url}/flight.png")
                in_flight += not asking.done()
                assert asking.result().status == 200
            if i % 2 == 0:
                assert "desc=miss" in node.ask(slow).headers["server-timing"], f"put back after {delay_s} s"
            else:
                assert "desc=hit" in node.ask(slow).headers["server-timing"], "another purge is no reason"
        assert in_flight >= 3, "the renders were too quick to be purged"


def test_a_fetch_in_flight_does_not_put_back_what_was_purged(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/slow.jpg"] = Page(picture(seed=91), headers=FRESH, after=(purged := threading.Event()))
    asked = path(origin, "slow.jpg")
    with running(tmp_path, OPEN) as node, ThreadPoolExecutor(1) as one:
        asking = one.submit(node.ask, asked)
        wait("the origin is asked", lambda: origin.count("/slow.jpg") == 1)
        purge(node, source=f"{origin.url}/slow.jpg")
        purged.set()
        old = asking.result()
        origin.pages["/slow.jpg"] = Page(picture(seed=92), headers=FRESH)
        new = node.ask(asked)
        assert (old.status, new.status) == (200, 200)
        assert new.body != old.body
        assert origin.count("/slow.jpg") == 2


# Damage


def flipped(body: bytes) -> bytes:
    middle = len(body) // 2
    return body[:middle] + bytes([body[middle] ^ 0x55]) + body[middle + 1 :]


HURTS: list[Callable[[bytes], bytes]] = [
    flipped,
    lambda body: body[: len(body) // 2],
    lambda _: b"",
    lambda b: b + b"x",
]


def damage(folder: Path) -> int:
    """Change every stored body below a folder in place, each in another way; returns how many."""
    files = [f for f in folder.rglob("*") if f.is_file() and f.parent != folder and f.stat().st_size > 64]
    for hurt, file in zip(HURTS * len(files), files, strict=False):
        file.write_bytes(hurt(file.read_bytes()))
    return len(files)


def test_damaged_results_are_rendered_again_never_served(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/hurt.jpg"] = Page(picture(seed=93), headers=FRESH)
    paths = [path(origin, "hurt.jpg", f"w:{100 + i}") for i in range(8)]
    with running(tmp_path, QUICK + NO_RAM) as node:
        good = {p: node.ask(p) for p in paths}
    assert damage(tmp_path / "var" / "cache") == 8
    with running(tmp_path, QUICK + NO_RAM, metrics=True) as node:
        for p, before in good.items():
            after = node.ask(p)
            assert (after.status, after.headers["etag"], after.body) == (200, before.headers["etag"], before.body)
            assert "desc=miss" in after.headers["server-timing"]
        assert node.metric("tintype_cache_damaged_total", tier="disk") == 8
        wait("it is whole again", lambda: "desc=hit" in node.ask(paths[0]).headers["server-timing"])


def test_damage_while_the_node_runs_is_seen_too(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/live.jpg"] = Page(picture(seed=94), headers=FRESH)
    with running(tmp_path, QUICK + NO_RAM, metrics=True) as node:
        good = node.ask(path(origin, "live.jpg"))
        wait("it is on disk", lambda: damage(tmp_path / "var" / "cache") == 1)

        def is_seen() -> bool:
            assert node.ask(path(origin, "live.jpg")).body == good.body
            return node.metric("tintype_cache_damaged_total", tier="disk") == 1

        wait("it is read from there", is_seen)  # what has just been written is still at hand for a moment


def test_damaged_sources_are_fetched_again(tmp_path: Path, origin: Origin) -> None:
    names = [f"source{i}.png" for i in range(4)]
    for i, name in enumerate(names):
        origin.pages["/" + name] = Page(picture(seed=950 + i, suffix=".png"), headers=FRESH)
    with running(tmp_path, QUICK + NOTHING_KEPT) as node:
        good = [node.ask(path(origin, name, "w:51")) for name in names]
    assert damage(tmp_path / "var" / "sources" / "bodies") == 4
    with running(tmp_path, QUICK + NOTHING_KEPT) as node:
        again = [node.ask(path(origin, name, "w:51")) for name in names]
    assert [(a.status, a.headers["etag"], a.body) for a in again] == [(200, g.headers["etag"], g.body) for g in good]
    assert [origin.count("/" + name) for name in names] == [2, 2, 2, 2]


def test_damaged_indexes_cost_the_cache_and_nothing_else(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/index.jpg"] = Page(picture(seed=96), headers=FRESH)
    with running(tmp_path, QUICK) as node:
        good = node.ask(path(origin, "index.jpg"))
    hurt = [f for f in (tmp_path / "var").rglob("*") if f.is_file() and f.read_bytes()[:6] == b"SQLite"]
    assert len(hurt) >= 3
    for file in hurt:
        file.write_bytes(b"SQLite format 3\0" + os.urandom(5000))
    with running(tmp_path, QUICK) as node:
        again = node.ask(path(origin, "index.jpg"))
    assert (again.status, again.headers["etag"], again.body) == (200, good.headers["etag"], good.body)


# Restarts under load


@dataclass
class Hammer:
    """Asks for the same few URLs again and again, over whatever node there is, and checks every answer."""

    good: dict[str, bytes]
    port: int = 0
    answers: int = 0
    refused: int = 0
    wrong: list[str] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.stop.is_set():
            for asked, body in self.good.items():
                try:
                    self._check(asked, body, Node.ask(Node(self.port, None, Path()), asked))  # type: ignore[arg-type]
                except (OSError, http.client.HTTPException):
                    self.refused += 1
                    time.sleep(0.02)

    def _check(self, asked: str, body: bytes, answer: Answer) -> None:
        self.answers += 1
        draining = answer.status == 503 and "draining" in answer.headers.get("x-tintype-error", "")
        if not draining and (answer.status, answer.body) != (200, body):
            self.wrong.append(f"{asked}: {answer.status} {len(answer.body)} bytes {answer.headers}")


@pytest.fixture
def good(tmp_path: Path, origin: Origin) -> dict[str, bytes]:
    for i in range(3):
        origin.pages[f"/load{i}.jpg"] = Page(picture(seed=100 + i), headers=FRESH)
    paths = [path(origin, f"load{i}.jpg", f"w:{60 + j}") for i in range(3) for j in range(4)]
    with running(tmp_path, QUICK) as node:
        return {p: node.ask(p).body for p in paths}


def test_restarts_in_the_middle_of_load(tmp_path: Path, good: dict[str, bytes]) -> None:
    hammer = Hammer(good)
    threads = [threading.Thread(target=hammer.run) for _ in range(3)]
    try:
        for i in range(2):
            with running(tmp_path, QUICK) as node:
                hammer.port = node.port
                if i == 0:
                    for thread in threads:
                        thread.start()
                enough = hammer.answers + 150
                wait("answers after a restart", lambda enough=enough: hammer.answers > enough)  # type: ignore[misc]
                (front,) = node.children()
                os.kill(front, signal.SIGKILL)
                wait("a new front", lambda node=node, front=front: node.children() not in ([front], []))  # type: ignore[misc]
                enough = hammer.answers + 150
                wait("answers after a kill", lambda enough=enough: hammer.answers > enough)  # type: ignore[misc]
    finally:
        hammer.stop.set()
        for thread in threads:
            thread.join()
    assert not hammer.wrong, hammer.wrong[:3]
    assert hammer.refused > 0

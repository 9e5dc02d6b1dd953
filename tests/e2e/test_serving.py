"""A node as an operator sees it: starting, dying, reloading, draining, restarting warm."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page
from tests.e2e.test_images import path
from tintype.web.paths import CONTROL, OPENAPI


def until(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def until_kept(data: Path) -> None:
    """Wait until a result and what its source's URL means are on disk, which is behind the answer."""

    def rows(file: str, table: str) -> int:
        with contextlib.closing(sqlite3.connect(f"file:{data / file}?mode=ro", uri=True, timeout=10)) as index:
            return int(index.execute(f"SELECT count(*) FROM {table}").fetchone()[0])

    until(lambda: rows("cache/index", "entry") and rows("sources/bindings.sqlite", "binding"))


def test_a_killed_front_serves_again_and_its_cache_is_warm(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/k.jpg"] = Page(picture(seed=30), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path, OPEN) as node:
        first = node.ask(path(origin, "k.jpg"))
        until_kept(tmp_path / "var")
        (front,) = node.children()
        os.kill(front, signal.SIGKILL)
        killed = time.monotonic()
        while True:
            try:
                if node.ask("/health").status == 200:
                    break
            except OSError:
                assert time.monotonic() - killed < 120
                time.sleep(0.02)
        assert node.children() != [front]
        again = node.ask(path(origin, "k.jpg"))
        assert (again.status, again.body) == (200, first.body)
        assert "desc=hit" in again.headers["server-timing"]
        assert origin.count("/k.jpg") == 1


def test_a_restart_keeps_the_cache(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/r.jpg"] = Page(picture(seed=31), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path, OPEN) as node:
        first = node.ask(path(origin, "r.jpg"))
    with running(tmp_path, OPEN) as node:
        again = node.ask(path(origin, "r.jpg"))
    assert (again.body, again.headers["etag"]) == (first.body, first.headers["etag"])
    assert "desc=hit" in again.headers["server-timing"]
    assert origin.count("/r.jpg") == 1


def test_sigterm_lets_running_requests_end(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/d.jpg"] = Page(picture(seed=32), headers={"Cache-Control": "max-age=600"}, delay_s=1.0)
    with running(tmp_path, OPEN) as node:
        answers = []
        asking = threading.Thread(target=lambda: answers.append(node.ask(path(origin, "d.jpg"))))
        asking.start()
        until(lambda: origin.count("/d.jpg") == 1)
        node.process.send_signal(signal.SIGTERM)
        asking.join(60)
        assert [a.status for a in answers] == [200]
        assert node.process.wait(60) == 0


def test_reload_takes_over_new_presets_and_refuses_a_broken_file(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/p.jpg"] = Page(picture(seed=33), headers={"Cache-Control": "max-age=600"})
    file = tmp_path / "tintype.toml"
    with running(tmp_path, OPEN) as node:
        assert node.ask(path(origin, "p.jpg", "pr:thumb")).status == 404
        file.write_text(OPEN + '[tenants.default.presets]\nthumb = "rs:fill:40:40"\n')
        node.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + 60
        while node.ask(path(origin, "p.jpg", "pr:thumb")).status != 200:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        file.write_text("[tenants.default]\nnonsense = 1\n")  # a change of the file is enough
        while "reload_refused" not in node.log:
            assert time.monotonic() < deadline + 60
            time.sleep(0.1)
        assert node.ask(path(origin, "p.jpg", "pr:thumb")).status == 200


def test_a_wrong_setting_ends_the_start_with_its_name(tmp_path: Path) -> None:
    with running(tmp_path, "[limits]\nrender_queu = 3\n", ready=False) as node:
        assert node.process.wait(60) == 2
        assert "render_queue" in node.log


def test_tenants_by_host_and_prefix_share_nothing(tmp_path: Path, origin: Origin) -> None:
    toml = """
[sources]
allow_loopback = true
[tenants.red]
prefix = "/red"
trusted_signatures = ["unsafe"]
[tenants.blue]
hosts = ["blue.example"]
trusted_signatures = ["unsafe"]
"""
    origin.pages["/t.jpg"] = Page(picture(seed=34), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path, toml) as node:
        red = node.ask("/red" + path(origin, "t.jpg"))
        blue = node.ask(path(origin, "t.jpg"), headers={"Host": "blue.example"})
        nobody = node.ask(path(origin, "t.jpg"), headers={"Host": "other.example"})
    assert (red.status, blue.status, nobody.status) == (200, 200, 404)
    assert red.headers["etag"] != blue.headers["etag"]
    assert origin.count("/t.jpg") == 2  # no existence oracle between tenants


def test_secrets_stay_out_of_the_log(tmp_path: Path, origin: Origin) -> None:
    env = {"IMGPROXY_SECRET": "swordfish", "IMGPROXY_ALLOW_LOOPBACK_SOURCE_ADDRESSES": "true"}
    origin.pages["/s.jpg"] = Page(picture(seed=35))
    with running(tmp_path, env=env) as node:
        assert node.ask(path(origin, "s.jpg")).status == 403
        assert node.ask(path(origin, "s.jpg"), headers={"Authorization": "Bearer swordfish"}).status == 200
        assert "swordfish" not in node.log


def test_a_control_api_that_is_off_says_so(tmp_path: Path, node: Node) -> None:
    described = json.loads(node.ask(OPENAPI).body)["paths"]
    assert {at: [method.upper() for method in found] for at, found in described.items()} == {
        at: [method] for at, method in CONTROL.items() if at != OPENAPI
    }
    with running(tmp_path) as plain:
        for at, method in CONTROL.items():
            answer = plain.ask(f"{at}?url=x", method)
            assert (answer.status, answer.body) == (404, b"The control API is off")
            assert "set server.admin_token" in answer.headers["x-tintype-error"]


@pytest.mark.parametrize(
    ("at", "method", "status", "says"),
    [
        (
            "/v1/purges",
            "GET",
            404,
            "there is nothing at /v1/purges; the control API has POST /v1/purge, GET /v1/explain",
        ),
        ("/v1/", "GET", 404, "there is nothing at /v1/; "),
        ("/v1/purge/", "GET", 404, "there is nothing at /v1/purge/; "),
        ("/v1/purge", "GET", 405, "/v1/purge takes POST, not GET"),
        ("/v1/top", "DELETE", 405, "/v1/top takes GET, not DELETE"),
    ],
)
def test_what_the_control_api_does_not_have_is_a_problem_that_tells_what_it_has(
    node: Node, at: str, method: str, status: int, says: str
) -> None:
    answer = node.ask(at, method, {"Authorization": "Bearer admin"})
    problem = json.loads(answer.body)
    assert (answer.status, problem["status"], answer.headers["content-type"]) == (
        status,
        status,
        "application/problem+json",
    )
    assert problem["detail"].startswith(says)
    assert answer.headers.get("allow") == (CONTROL[at] if status == 405 else None)


@pytest.mark.parametrize("soft", [False, True])
def test_purge(tmp_path: Path, origin: Origin, soft: bool) -> None:
    name = f"purge{soft}.jpg"
    origin.pages["/" + name] = Page(picture(seed=36), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path, OPEN) as node:
        first = node.ask(path(origin, name))
        origin.pages["/" + name] = Page(picture(seed=37), headers={"Cache-Control": "max-age=600"})
        assert node.ask(path(origin, name)).body == first.body
        body = f'{{"source": "{origin.url}/{name}", "soft": {str(soft).lower()}}}'.encode()
        headers = {"Content-Type": "application/json"}
        assert node.ask("/v1/purge", "POST", headers, body).status == 403
        done = node.ask("/v1/purge", "POST", {**headers, "Authorization": "Bearer admin"}, body)
        assert done.status == 200, done.body
        answer = node.ask(path(origin, name))
        if soft:
            assert answer.body == first.body  # stale, while it is asked for again
        deadline = time.monotonic() + 60
        while answer.body == first.body:
            assert time.monotonic() < deadline
            time.sleep(0.1)
            answer = node.ask(path(origin, name))


def test_purge_of_an_exact_url_drops_its_variants_and_no_others(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/exact.jpg"] = Page(picture(seed=38), headers={"Cache-Control": "max-age=600", "ETag": '"e"'})
    one, other = path(origin, "exact.jpg", "w:50"), path(origin, "exact.jpg", "w:60")
    with running(tmp_path, OPEN) as node:
        for url in (one, other):
            node.ask(url)
        headers = {"Content-Type": "application/json", "Authorization": "Bearer admin"}
        done = node.ask("/v1/purge", "POST", headers, f'{{"url": "{one}"}}'.encode())
        assert done.status == 200, done.body
        assert "desc=miss" in node.ask(one).headers["server-timing"]
        assert "desc=hit" in node.ask(other).headers["server-timing"]


def test_a_purge_says_what_was_wrong(tmp_path: Path) -> None:
    with running(tmp_path, OPEN) as node:
        headers = {"Content-Type": "application/json", "Authorization": "Bearer admin"}
        for body in (b"{}", b'{"all": true, "tag": "x"}', b'{"nonsense": 1}', b"not json"):
            answer = node.ask("/v1/purge", "POST", headers, body)
            assert answer.status == 422
            assert answer.headers["content-type"] == "application/problem+json"
        assert node.ask("/v1/purge", "POST", headers, b'{"all": true}').status == 200


def test_a_client_that_does_not_read_is_let_go(tmp_path: Path, origin: Origin) -> None:
    origin.pages["/huge.png"] = Page(
        picture(2400, 1800, seed=39, suffix=".png"), headers={"Cache-Control": "max-age=600"}
    )
    toml = OPEN.replace("[server]", "[server]\nwrite_timeout_s = 1")
    with running(tmp_path, toml) as node, socket.create_connection(("127.0.0.1", node.port)) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.sendall(f"GET {path(origin, 'huge.png', 'w:2300', '@bmp')} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        deadline = time.monotonic() + 60
        while "slow_client" not in node.log:
            assert time.monotonic() < deadline, node.log[-2000:]
            time.sleep(0.1)

"""Hand-over: nginx sends large originals from the node's disk, just as the node would, or the node does."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ROOT, tool
from tests.e2e.conftest import OPEN
from tests.e2e.node import Answer, Node, free_port, running
from tests.e2e.origin import Origin, Page
from tests.edge.edge import Edge, until

pytestmark = pytest.mark.slow

SETTINGS = (
    OPEN.replace("[server]", '[server]\nhand_over = "/handed"').replace("workers = 2", "workers = 1")
    + """
delivery.allow_origin = "https://a.example"
delivery.canonical_header = true
"""
)
FRESH = {
    "Cache-Control": "max-age=600",
    "Content-Type": "image/svg+xml",
    "Last-Modified": "Fri, 01 Jan 2021 00:00:00 GMT",
}
LARGE = b"<svg>" + bytes(range(256)) * 8000
HAND_OVER = {"X-Hand-Over": "yes"}


@dataclass
class Beside:
    """A node, and the nginx beside it."""

    node: Node
    nginx: Edge
    folder: Path

    def both(self, path: str, headers: dict[str, str] | None = None) -> tuple[Answer, Answer]:
        return self.node.ask(path, headers=headers), self.nginx.ask(path, headers)

    def names(self) -> set[str]:
        return {path.name for path in (self.folder / "var" / "handed").iterdir()}


@contextlib.contextmanager
def nginx_beside(folder: Path, node: Node) -> Iterator[Edge]:
    nginx = tool("nginx", "apt-get install nginx-light")
    edge = Edge(free_port(), 0)
    conf = (ROOT / "examples" / "nginx" / "hand-over.conf").read_text("utf-8")
    for old, new in (
        ("127.0.0.1:8080", f"127.0.0.1:{node.port}"),
        ("listen 80;", f"listen 127.0.0.1:{edge.port};"),
        ("/var/lib/tintype/handed/", f"{folder / 'var' / 'handed'}/"),
    ):
        assert conf.count(old) == 1, old
        conf = conf.replace(old, new)
    folders = " ".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # the node's
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{}} http {{ access_log off; {folders}\n{conf}\n}}"
    )
    command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), "-p", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def answers() -> bool:
        assert process.poll() is None, (folder / "error.log").read_text()
        with contextlib.suppress(OSError):
            return edge.ask("/health").status == 200
        return False

    try:
        until(answers, "nginx does not answer")
        yield edge
    finally:
        process.terminate()
        process.wait(30)


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Beside]:
    tool("nginx", "apt-get install nginx-light")
    folder = tmp_path_factory.mktemp("beside")
    (folder / "var" / "handed").mkdir(parents=True)
    (folder / "var" / "handed" / "left-by-a-kill").write_bytes(b"old")
    with running(folder, SETTINGS) as node, nginx_beside(folder, node) as nginx:
        yield Beside(node, nginx, folder)


def put(origin: Origin, name: str, body: bytes) -> str:
    origin.pages[f"/{name}"] = Page(body, headers=FRESH)
    return f"/unsafe/raw:1/fn:some%20name/plain/{origin.url}/{name}"


def test_what_a_kill_left_is_gone(beside: Beside) -> None:
    assert "left-by-a-kill" not in beside.names()


def test_nginx_sends_what_the_node_would(beside: Beside, origin: Origin) -> None:
    path = put(origin, "large.svg", LARGE)
    before = beside.names()
    direct, through = beside.both(path)
    assert len(beside.names() - before) == 1  # the node was asked for a name once: it sent the other body itself
    assert (direct.status, through.status) == (200, 200)
    assert direct.body == through.body == LARGE
    for answer in (direct, through):
        for own in ("date", "server", "connection", "x-request-id", "server-timing"):
            answer.headers.pop(own, None)
    assert through.headers == direct.headers
    assert direct.headers["content-security-policy"]


def test_conditions_and_parts(beside: Beside, origin: Origin) -> None:
    path = put(origin, "parts.svg", LARGE)
    etag = beside.nginx.ask(path).headers["etag"]
    assert beside.nginx.ask(path, {"If-None-Match": etag}).status == 304
    assert beside.nginx.ask(path, {"If-Modified-Since": FRESH["Last-Modified"]}).status == 304
    changed = beside.nginx.ask(path, {"If-None-Match": '"another"'})
    assert (changed.status, changed.body) == (200, LARGE)
    part = beside.nginx.ask(path, {"Range": "bytes=5-9"})
    assert (part.status, part.body) == (206, LARGE[5:10])
    head = beside.nginx.ask(path, method="HEAD")
    assert (head.status, head.headers["content-length"]) == (200, str(len(LARGE)))


def test_the_node_sends_what_is_small_or_not_asked_for(beside: Beside, origin: Origin) -> None:
    path = put(origin, "small.svg", b"<svg/>")
    assert "x-accel-redirect" not in beside.node.ask(path, headers=HAND_OVER).headers
    path = put(origin, "other.svg", LARGE)
    for headers in ({}, {"X-Hand-Over": "no"}):
        assert beside.node.ask(path, headers=headers).body == LARGE
    # Who is outside cannot ask nginx for a name, nor the node through nginx.
    handed = beside.node.ask(path, headers=HAND_OVER)
    assert (handed.status, handed.body) == (200, b"")
    assert beside.nginx.ask(handed.headers["x-accel-redirect"]).status == 404
    assert beside.nginx.ask(path, HAND_OVER).body == LARGE


def test_a_name_that_nginx_does_not_find_is_asked_for_again(beside: Beside, origin: Origin, tmp_path: Path) -> None:
    path = put(origin, "gone.svg", LARGE)
    before = beside.names()
    with nginx_beside(tmp_path, beside.node) as elsewhere:  # its folder of names is not the node's
        answer = elsewhere.ask(path)
    assert len(beside.names() - before) == 1
    assert (answer.status, answer.body, answer.headers["content-type"]) == (200, LARGE, "image/svg+xml")
    assert answer.headers["etag"] == beside.node.ask(path).headers["etag"]


def test_without_a_folder_for_names_the_node_sends(beside: Beside, origin: Origin) -> None:
    path = put(origin, "folder.svg", LARGE)
    folder = beside.folder / "var" / "handed"
    folder.rename(folder.with_name("elsewhere"))
    try:
        assert beside.nginx.ask(path).body == LARGE
    finally:
        folder.with_name("elsewhere").rename(folder)


def test_names_go_and_purged_originals_stay_whole_meanwhile(beside: Beside, origin: Origin) -> None:
    path = put(origin, "purged.svg", LARGE)
    handed = beside.node.ask(path, headers=HAND_OVER).headers["x-accel-redirect"]
    name = beside.folder / "var" / "handed" / handed.rpartition("/")[2]
    body = f'{{"source": "{origin.url}/purged.svg"}}'.encode()
    asked = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    assert beside.node.ask("/v1/purge", "POST", asked, body).status == 200
    put(origin, "purged.svg", LARGE[::-1])
    assert beside.nginx.ask(path).body == LARGE[::-1]
    assert name.read_bytes() == LARGE  # what was said is what nginx would have sent
    until(lambda: not name.exists(), "the name stays")

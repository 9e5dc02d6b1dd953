"""Sources other than http through a node: a real S3 server, and local files that no URL leads out of."""

from __future__ import annotations

import base64
import io
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import obstore
import pytest
from PIL import Image as Pillow

from tests.e2e.conftest import OPEN, picture
from tests.e2e.node import Answer, Node, running
from tests.sources.gateway import ACCESS, SECRET, Gateway

STORES = """
[sources.stores.s3]
endpoint = "{endpoint}"
access_key = "{access}"
secret_key = "{secret}"
denied_buckets = ["private"]
[sources.stores.mirror]
kind = "s3"
endpoint = "{endpoint}"
access_key = "{access}"
secret_key = "{secret}"
allowed_buckets = ["photos"]
[sources.stores.revoked]
kind = "s3"
endpoint = "{endpoint}"
access_key = "{access}"
secret_key = "no longer"
"""


@dataclass(frozen=True)
class Stored:
    node: Node
    gateway: Gateway

    def put(self, bucket: str, key: str, body: bytes) -> str | None:
        return obstore.put(self.gateway.store(bucket), key, body)["version"]

    def ask(self, url: str, options: str = "w:100") -> Answer:
        return self.node.ask(f"/unsafe/{options}/plain/{url}")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stored]:
    folder = tmp_path_factory.mktemp("stores")
    with Gateway(folder / "gateway") as gateway:
        for bucket in ("photos", "private", "other"):
            gateway.make_bucket(bucket)
        gateway.make_bucket("archive", versioned=True)
        toml = OPEN + STORES.format(endpoint=gateway.endpoint, access=ACCESS, secret=SECRET)
        with running(folder, toml, metrics=True) as node:
            stored = Stored(node, gateway)
            for bucket in ("photos", "private", "other"):
                stored.put(bucket, "in/a b.jpg", picture(seed=110))
            yield stored


def refusal(answer: Answer) -> tuple[int, str]:
    return answer.status, answer.headers["x-tintype-error"].split(":")[0]


def width(answer: Answer) -> int:
    return Pillow.open(io.BytesIO(answer.body)).width


def test_an_object(stored: Stored) -> None:
    answer = stored.ask("s3://photos/in/a%20b.jpg")
    assert (answer.status, width(answer)) == (200, 100)
    assert answer.headers["content-disposition"] == 'inline; filename="a b.jpg"'
    encoded = base64.urlsafe_b64encode(b"s3://photos/in/a b.jpg").decode().rstrip("=")
    assert stored.node.ask(f"/unsafe/w:100/{encoded}").body == answer.body


def test_variants_of_an_object_fetch_it_once(stored: Stored) -> None:
    stored.put("photos", "once.jpg", picture(seed=111))
    before = stored.node.metric("tintype_fetches_total", scheme="s3", result="fetched")
    assert {stored.ask("s3://photos/once.jpg", f"w:{90 + i}").status for i in range(5)} == {200}
    assert stored.node.metric("tintype_fetches_total", scheme="s3", result="fetched") == before + 1


def test_a_changed_object_is_seen_by_a_new_variant(stored: Stored) -> None:
    stored.put("photos", "changes.jpg", picture(seed=112))
    first = stored.ask("s3://photos/changes.jpg", "w:80")
    stored.put("photos", "changes.jpg", picture(200, 200, seed=113))
    second = stored.ask("s3://photos/changes.jpg", "w:81")
    assert (Pillow.open(io.BytesIO(second.body)).size, first.status) == ((81, 81), 200)


def test_versions(stored: Stored) -> None:
    old, new = (stored.put("archive", "v.jpg", picture(seed=seed)) for seed in (114, 115))
    bodies = [stored.ask(f"s3://archive/v.jpg%3F{version}").body for version in (old, new)]
    assert bodies[0] != bodies[1]
    assert stored.ask("s3://archive/v.jpg").body == bodies[1]
    assert stored.ask("s3://archive/v.jpg%3Fnone-such").status in (400, 404)  # the store's own words are passed on


@pytest.mark.parametrize(
    ("url", "want"),
    [
        ("s3://photos/none.jpg", (404, "source_missing")),
        ("s3://none-such/a.jpg", (404, "source_missing")),
        ("s3://private/in/a%20b.jpg", (404, "source_denied")),
        ("mirror://photos/in/a%20b.jpg", (200, "")),
        ("mirror://other/in/a%20b.jpg", (404, "source_denied")),
        ("revoked://photos/in/a%20b.jpg", (403, "source_refused")),
        ("gs://photos/a.jpg", (404, "source_denied")),
        ("abs://photos/a.jpg", (404, "source_denied")),
    ],
)
def test_stores_and_buckets(stored: Stored, url: str, want: tuple[int, str]) -> None:
    answer = stored.ask(url)
    assert want == ((200, "") if answer.status == 200 else refusal(answer))


@pytest.mark.parametrize(
    "url",
    [
        "s3://photos/../private/in/a%20b.jpg",
        "s3://photos/%2E%2E/private/in/a%20b.jpg",
        "s3://photos/in/..%2F..%2F..%2Fprivate/in/a%20b.jpg",
        "s3://photos%2F..%2Fprivate/in/a%20b.jpg",
        "s3://photos/",
        "s3://photos",
        "s3:///in/a%20b.jpg",
        "s3://PRIVATE/in/a%20b.jpg",
        "s3://private.%2Fin/a%20b.jpg",
        "s3://" + "b" * 300 + "/a.jpg",
        "s3://photos/" + "k" * 2000,
    ],
)
def test_no_key_leads_out_of_its_bucket(stored: Stored, url: str) -> None:
    assert 400 <= stored.ask(url).status < 500


def test_no_secret_in_the_log(stored: Stored) -> None:
    stored.ask("revoked://photos/in/a%20b.jpg")
    assert SECRET not in stored.node.log
    assert "no longer" not in stored.node.log


# Local files


@pytest.fixture(scope="module")
def jail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Node, Path]]:
    folder = tmp_path_factory.mktemp("jail")
    root = folder / "root"
    (root / "in").mkdir(parents=True)
    (root / "in" / "a.jpg").write_bytes(picture(seed=120))
    (folder / "secret.jpg").write_bytes(picture(seed=121))
    (folder / "root-too").mkdir()
    (folder / "root-too" / "secret.jpg").write_bytes(picture(seed=121))
    for name, target in (
        ("out.jpg", folder / "secret.jpg"),
        ("up.jpg", Path("../secret.jpg")),
        ("folder", folder),
        ("loop.jpg", Path("loop.jpg")),
        ("proc.jpg", Path("/proc/self/environ")),
        ("stays.jpg", Path("in/a.jpg")),
    ):
        (root / name).symlink_to(target)
    os.mkfifo(root / "fifo.jpg")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(root / "socket.jpg"))
    (root / "null.jpg").symlink_to("/dev/null")
    (root / "empty.jpg").touch()
    (root / "shut").mkdir(mode=0)
    toml = OPEN.replace("[sources]", f'[sources]\nlocal_root = "{root}"')
    with running(folder, toml) as node:
        yield node, root


@pytest.mark.parametrize("path", ["in/a.jpg", "stays.jpg", "in//a.jpg", "%69n/a.jpg"])
def test_what_is_inside_is_served(jail: tuple[Node, Path], path: str) -> None:
    node, _ = jail
    assert node.ask(f"/unsafe/w:100/plain/local:///{path}").status == 200


@pytest.mark.parametrize(
    "path",
    [
        *("in/../in/a.jpg", "./in/./a.jpg"),  # inside, but the text does not say so
        *("../secret.jpg", "in/../../secret.jpg", "../root-too/secret.jpg", "../root/../secret.jpg"),
        *("%2e%2e/secret.jpg", "%2E%2E%2Fsecret.jpg", "..%2fsecret.jpg", "in/%2e%2e/%2e%2e/secret.jpg"),
        *("%252e%252e/secret.jpg", "..%5csecret.jpg", "..%00/secret.jpg", "in/a.jpg%00.png", "....//secret.jpg"),
        *("out.jpg", "up.jpg", "folder/secret.jpg", "loop.jpg", "proc.jpg", "null.jpg"),
        *("fifo.jpg", "socket.jpg", "empty.jpg", "in", "in/", ".", "", "in/a.jpg/", "in/a.jpg/more"),
        *("/etc/passwd", "//etc/passwd", "%2fetc%2fpasswd", "{folder}/secret.jpg", "{root}/in/a.jpg"),
        *("shut/a.jpg", "none.jpg", "in/A.JPG", "~/a.jpg", "in/*.jpg", "n" * 300 + ".jpg", "d/" * 2000 + "a.jpg"),
    ],
)
def test_what_is_outside_or_no_file_is_a_typed_refusal(jail: tuple[Node, Path], path: str) -> None:
    node, root = jail
    path = path.replace("{folder}", str(root.parent)).replace("{root}", str(root))
    answer = node.ask(f"/unsafe/w:100/plain/local:///{path}")
    assert 400 <= answer.status < 500
    status, code = refusal(answer)
    assert code in ("source_denied", "source_missing", "source_refused", "bad_request", "unsupported_image"), code
    assert answer.headers["content-type"] == "text/plain"
    raw = node.ask(f"/unsafe/raw:1/plain/local:///{path}")
    assert status == raw.status or code == "unsupported_image", "raw knows no other way in"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file(jail: tuple[Node, Path]) -> None:
    node, root = jail
    (root / "unreadable.jpg").write_bytes(picture(seed=122))
    (root / "unreadable.jpg").chmod(0)
    assert refusal(node.ask("/unsafe/w:100/plain/local:///unreadable.jpg")) == (403, "source_refused")


def test_the_jail_holds_for_watermarks_of_urls_and_other_schemes(jail: tuple[Node, Path]) -> None:
    node, root = jail
    for url in (f"file://{root}/in/a.jpg", "file:///etc/passwd", "ftp://127.0.0.1/a.jpg", "data:image/png;base64,AAAA"):
        assert 400 <= node.ask(f"/unsafe/w:100/plain/{url}").status < 500

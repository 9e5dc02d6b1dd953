"""The nginx configuration by itself: it is valid, and takes the same part of a path for the source as the nodes do."""

from __future__ import annotations

import base64
import string
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.node import free_port
from tests.edge.edge import Edge, nginx, written

SOURCE = "http://origin.example/a/b-c_d/photo.jpg"
ENCODED = base64.urlsafe_b64encode(SOURCE.encode()).decode().rstrip("=")
SPLIT = "/".join(ENCODED[at : at + 16] for at in range(0, len(ENCODED), 16))


@pytest.fixture(scope="module")
def spy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Edge]:
    with nginx(tmp_path_factory.mktemp("conf"), [free_port() for _ in range(3)]) as edge:
        yield edge


def test_nginx_takes_it(tmp_path: Path) -> None:
    command = written(tmp_path, free_port(), free_port(), [free_port() for _ in range(3)])
    done = subprocess.run([*command, "-t"], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    said = done.stderr + (tmp_path / "error.log").read_text()
    assert "[warn]" not in said


@pytest.mark.parametrize("prefix", ["", "/images", "/shop/images"])
@pytest.mark.parametrize("signature", ["unsafe", "9SaGqJILqstFsWthdP_dFH-WV-BWVxm3E2YQL1KR-qw"])
@pytest.mark.parametrize(
    "options", ["", "w:300/", "rs:fill:300:200:1/g:ce/q:80/", "pr:thumb/", "fn:aHR0cDovL3g:1/", "thumb:web/"]
)
def test_variants_of_a_source_are_one_source(spy: Edge, prefix: str, signature: str, options: str) -> None:
    start = f"{prefix}/{signature}/{options}"
    assert {spy.source_of(f"{start}plain/{SOURCE}{end}") for end in ("", "@webp", "@jpg", "?x=1", "@png?v=2")} == {
        SOURCE
    }
    for encoded in (ENCODED, SPLIT):
        assert {spy.source_of(f"{start}{encoded}{end}") for end in ("", ".webp", ".jpg", "?x=1", ".png?v=2")} == {
            encoded
        }


@pytest.mark.parametrize("source", ["s3://bucket/a.jpg", "gs://bucket/a", "abs://box/a", "local:///a/b.png"])
def test_sources_of_other_kinds(spy: Edge, source: str) -> None:
    encoded = base64.urlsafe_b64encode(source.encode()).decode().rstrip("=")
    assert spy.source_of(f"/x/unsafe/{encoded}.webp") == spy.source_of(f"/unsafe/w:9/{encoded}") == encoded
    assert spy.source_of(f"/unsafe/plain/{source}@webp") == source


def test_encrypted_and_unknown_sources(spy: Edge) -> None:
    assert spy.source_of("/unsafe/w:300/enc/AbC_d-9.webp") == spy.source_of("/other/q:5/enc/AbC_d-9") == "enc/AbC_d-9"
    assert spy.source_of("/unsafe/Zm9v.webp") == spy.source_of("/other/Zm9v") == "Zm9v"
    assert spy.source_of("/favicon.ico") == "/favicon.ico"


def test_other_sources_are_others(spy: Edge) -> None:
    paths = [f"/unsafe/w:300/plain/http://origin.example/{name}.jpg" for name in string.ascii_lowercase]
    assert len({spy.source_of(path) for path in paths}) == len(paths)
    # Two sources on paths with the same beginning, and one whose own path has an option's form.
    assert spy.source_of("/unsafe/plain/http://o/w:1/x.jpg") == "http://o/w:1/x.jpg"
    assert spy.source_of("/unsafe/plain/http://o/plain/x.jpg") == "http://o/plain/x.jpg"

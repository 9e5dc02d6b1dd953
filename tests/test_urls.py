"""The URL helpers: their examples are true, and what they build is what the dialect reads."""

from __future__ import annotations

import doctest
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype import urls
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings
from tintype.urls import Signer

NOW = 1_800_000_000.0
KEY, SALT = "736563726574", "68656c6c6f"
SIGNER = Signer(KEY, SALT, "https://img.example.com/")
DIALECT = Imgproxy(ImgproxySettings(keys=(KEY,), salts=(SALT,)))
UNSIGNED = Imgproxy(ImgproxySettings())


def target(url: str) -> str:
    return url.removeprefix("https://img.example.com")


def test_examples_are_true() -> None:
    assert doctest.testmod(urls).failed == 0
    assert doctest.testmod(urls).attempted >= 5


CALLS: list[tuple[dict[str, Any], str]] = [
    ({}, ""),
    ({"width": 300}, "rs:fit:300"),
    ({"height": 200, "fit": "exact"}, "rs:force:0:200"),
    ({"width": 300, "height": 200, "fit": "cover", "gravity": "sm"}, "rs:fill:300:200/g:sm"),
    ({"width": 300, "height": 200, "fit": "cover-down"}, "rs:fill-down:300:200"),
    ({"width": 300, "height": 200, "fit": "auto"}, "rs:auto:300:200"),
    ({"format": "webp", "quality": 70}, "q:70/f:webp"),
    ({"crop": (0.5, 100, "no"), "blur": 1.5}, "c:0.5:100:no/bl:1.5"),
    ({"min_width": 50, "min_height": 60, "enlarge": True}, "mw:50/mh:60/el:1"),
    ({"background": "", "strip_metadata": False}, "sm:0"),
    ({"filename": "a/b: ?é"}, "fn:YS9iOiA_w6k:1"),
    ({"padding": (10, None, 30)}, "pd:10::30"),
    ({"quality": None}, ""),
]


@pytest.mark.parametrize(("call", "means"), CALLS)
@pytest.mark.parametrize("plain", [True, False])
def test_urls_mean_what_was_called(call: dict[str, Any], means: str, plain: bool) -> None:
    url = SIGNER.url("https://example.com/a b.jpg?x=1@2", plain=plain, **call)
    source = "plain/https://example.com/a%20b.jpg%3Fx=1%402"
    meant = UNSIGNED.parse(f"/_/{means}/{source}" if means else f"/_/{source}", NOW)
    assert url.startswith("https://img.example.com/")
    asked = DIALECT.parse(target(url), NOW)
    assert (asked.pipeline, asked.delivery) == (meant.pipeline, meant.delivery)


@given(
    name=st.text(st.characters(exclude_categories=["C"]), max_size=80),
    width=st.integers(0, 10_000),
    plain=st.booleans(),
)
def test_any_name_of_a_source_survives(name: str, width: int, plain: bool) -> None:
    asked = DIALECT.parse(target(SIGNER.url(f"local:///{name}", width=width, plain=plain)), NOW)
    assert asked.pipeline.source.url == f"local:///{name}"


def test_srcset_has_a_url_for_each_width() -> None:
    srcset = SIGNER.srcset("local:///a.jpg", (320, 640), format="webp")
    entries = [entry.split() for entry in srcset.split(", ")]
    assert [width for _, width in entries] == ["320w", "640w"]
    assert entries[0][0] == SIGNER.url("local:///a.jpg", width=320, format="webp")


def test_signature_size_is_the_servers() -> None:
    short = Signer(KEY, SALT, signature_size=8)
    server = Imgproxy(ImgproxySettings(keys=(KEY,), salts=(SALT,), signature_size=8))
    assert server.parse(short.url("local:///a.jpg"), NOW)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ({"fit": "fill"}, "contain, cover"),
        ({"crop": "1:2"}, "give several as a tuple"),
        ({"cachebuster": "a/b"}, "crop|cachebuster"),
    ],
)
def test_bad_calls_say_what_is_taken(call: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SIGNER.url("local:///a.jpg", **call)


def test_bad_signers_say_what_is_taken() -> None:
    with pytest.raises(ValueError, match="belong together"):
        Signer(KEY)
    with pytest.raises(ValueError, match="1 to 32"):
        Signer(KEY, SALT, signature_size=0)
    with pytest.raises(ValueError, match="source is empty"):
        SIGNER.url("")


def test_secrets_stay_out_of_repr() -> None:
    assert KEY not in repr(SIGNER)
    assert SALT not in repr(SIGNER)


def test_the_file_stands_alone(tmp_path: Path) -> None:
    copy = tmp_path / "urls.py"
    copy.write_bytes(Path(urls.__file__).read_bytes())
    code = "import sys, urls; assert not [m for m in sys.modules if m.startswith('tintype')]; print(urls.Signer().url('a'))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "/unsafe/YQ"

"""The demo page in a real browser: the picture is seen, the figures are filled in; what it signs and what it does not."""

from __future__ import annotations

import io
import json
import re
import subprocess
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest
from numpy.lib.stride_tricks import sliding_window_view
from PIL import Image as Pillow

from tests.conftest import tool
from tests.e2e.node import Node, running

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--hide-scrollbars"),
    "--force-color-profile=srgb",
)


class Page(HTMLParser):
    """What a page shows: text and attributes of its elements by id, or by tag where they have none."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.attributes: dict[str, dict[str, str | None]] = {}
        self.text: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        name = found.get("id") or tag
        self.attributes.setdefault(name, found)
        self._open.append(name)

    def handle_data(self, data: str) -> None:
        for name in self._open[-2:]:
            self.text[name] = self.text.get(name, "") + data

    def handle_endtag(self, tag: str) -> None:
        if self._open:
            self._open.pop()


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Node]:
    """Run a node without any configuration, as `./scripts/serve` does on a new machine."""
    with running(tmp_path_factory.mktemp("demo")) as node:
        deadline = time.monotonic() + 60
        while not (node.folder / "var" / "demo" / "demo.jpg").exists():
            assert time.monotonic() < deadline, node.log
            time.sleep(0.1)
        yield node


def browse(node: Node, folder: Path, *flags: str) -> str:
    program = tool("chromium", "apt-get install chromium")
    command = [program, *FLAGS, f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=20000", *flags]
    done = subprocess.run(
        [*command, f"http://127.0.0.1:{node.port}/"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def test_the_page_shows_the_picture_and_its_figures(demo: Node, tmp_path: Path) -> None:
    page = Page(browse(demo, tmp_path, "--dump-dom"))
    assert page.attributes["url"].get("class") in (None, ""), page.text["url"]
    source = page.attributes["img"]["src"]
    assert source is not None
    assert "hidden" not in page.attributes["img"]
    assert page.text["url"] == f"http://127.0.0.1:{demo.port}{source}"
    answer = demo.ask(source)
    assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
    assert page.text["bytes"] == f"{len(answer.body):,}"
    assert page.text["size"] == "{} × {}".format(*Pillow.open(io.BytesIO(answer.body)).size)
    assert re.fullmatch(r"\d+ ms", page.text["time"])
    assert page.text["cache"] in ("hit", "miss", "shared")


@pytest.mark.parametrize("size", [(1280, 860), (420, 900)])
def test_the_picture_can_be_seen(demo: Node, tmp_path: Path, size: tuple[int, int]) -> None:
    shot = tmp_path / "shot.png"
    browse(demo, tmp_path, f"--screenshot={shot}", "--window-size={},{}".format(*size))
    screen = np.asarray(Pillow.open(shot).convert("L")).astype(np.int16)
    assert screen.shape == size[::-1]
    assert len(np.unique(np.asarray(Pillow.open(shot).convert("RGB")).reshape(-1, 3), axis=0)) > 3000
    if size[0] > 800:  # wide enough for the picture in its own size: it is there to the pixel
        picture = np.asarray(Pillow.open(io.BytesIO(demo.ask(signed(demo, width="640")).body)).convert("L"))
        strip = picture[300, 200:260].astype(np.int16)
        apart = np.abs(sliding_window_view(screen, 60, axis=1) - strip).mean(axis=2)
        assert apart.min() < 2, apart.min()


# What it signs


def signed(node: Node, **form: str) -> str:
    answer = node.ask("/demo/sign?" + urlencode({"fit": "contain", "format": "webp", **form}))
    assert answer.status == 200, answer.body
    url: str = json.loads(answer.body)["url"]
    return url


@pytest.mark.parametrize("format", ["webp", "jpeg", "png", "avif", "gif", "tiff", "bmp", "jxl"])
def test_every_choice_of_the_page_works(demo: Node, format: str) -> None:
    for more in ({"fit": "cover", "height": "90"}, {"rotate": "90", "flip": "1"}, {"blur": "3", "pad": "10"}):
        answer = demo.ask(signed(demo, width="120", format=format, quality="60", **more))
        assert (answer.status, answer.headers["content-type"]) == (200, f"image/{format}")


def test_it_signs_the_demo_photo_and_nothing_else(demo: Node) -> None:
    for extra in ({"url": "http://10.0.0.1/"}, {"source": "local:///../keys"}, {"photo": "local:///tintype.toml"}):
        assert "/plain/local:///demo.jpg" in signed(demo, width="100", **extra)
    url = signed(demo, width="100")
    assert demo.ask(url.replace("demo.jpg", "other.jpg")).status == 403
    assert demo.ask(url.replace("100", "101")).status == 403
    for bad in (
        {"width": "99999"},
        {"width": "-1"},
        {"rotate": "45"},
        {"fit": "zz"},
        {"format": "exe"},
        {"blur": "9e9"},
    ):
        answer = demo.ask("/demo/sign?" + urlencode({"fit": "contain", "format": "webp", "width": "100"} | bad))
        assert answer.status == 400
        assert next(iter(bad)) in json.loads(answer.body)["error"]


def test_there_is_no_demo_where_keys_are_configured(tmp_path: Path) -> None:
    with running(tmp_path, '[tenants.default]\nkeys = ["aa"]\nsalts = ["bb"]\n') as node:
        assert node.ask("/demo/sign?width=10").status in (403, 404)
        assert b"<form" not in node.ask("/").body

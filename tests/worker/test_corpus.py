"""The shared pictures: what imgproxy shows is shown, upright and in the same colours; what is hostile is refused in words."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pyvips

from tests.conftest import ROOT
from tests.worker.pictures import decoded, distance
from tintype.core.errors import TintypeError
from tintype.core.formats import FACTS, Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Orient, Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Encoders, Policy, ShrinkTable
from tintype.core.resolve import resolve
from tintype.core.sniff import sniff
from tintype.dialects.imgproxy.dialect import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.worker.execute import Rendered, execute
from tintype.worker.probe import probe

IMGPROXY = Policy(webp_effort=4, avif_speed=8, encoders=Encoders.IMGPROXY, shrink_table=ShrinkTable.IMGPROXY)
UPRIGHT = Pipeline.of(SourceRef(url="x"), Orient(), Resize(width=120, height=120), output=Output(format=Format.PNG))

RASTER = Pipeline.of(SourceRef(url="x"), Resize(width=100), output=Output(format=Format.PNG))


def show(data: bytes, asked: Pipeline = UPRIGHT, policy: Policy = IMGPROXY) -> Rendered:
    found = sniff(data[: 32 * 1024])
    assert found is not None
    plan = resolve(asked, probe(found, data, policy.source_pixels), Offer(), policy)
    return execute(plan, [(found, data)])


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_orientations_come_out_upright_and_equal(corpus: Path, kind: str) -> None:
    files = sorted((corpus / "orientation").glob(f"*{kind}_*.jpg"))
    assert len(files) == 9
    shown = [decoded(show(path.read_bytes()).body) for path in files]
    wide = shown[0].shape[1] > shown[0].shape[0]
    assert wide is (kind == "Landscape")
    for pixels in shown:
        assert pixels.shape == shown[0].shape
        assert distance(pixels, shown[0]) < 4


@pytest.mark.parametrize(
    ("name", "alpha"), [("colors-no-alpha", False), ("colors-with-alpha-thumbnail", True), ("hevc32", False)]
)
def test_heic(corpus: Path, name: str, alpha: bool) -> None:
    path = next((corpus / "hostile").glob(f"libheif__corpus_{name}.hei*"))
    info = probe(Format.HEIC, path.read_bytes(), 0)
    assert (info.alpha, info.orientation, info.bits) == (alpha, 1, 8)
    result = show(path.read_bytes())
    assert (result.width, result.height) == (info.width, info.height)
    assert decoded(result.body)[:, :, :3].std() > 10, "a picture, not a blank"


def test_svgz(corpus: Path) -> None:
    plain = decoded(show((corpus / "odd" / "libvips__images_logo.svg").read_bytes(), RASTER).body)
    assert distance(decoded(show((corpus / "odd" / "libvips__images_logo.svgz").read_bytes(), RASTER).body), plain) < 1


def grid(body: bytes, mime: str) -> np.ndarray | None:
    """Return 8 x 8 mean colours with alpha, as the table of cases has them."""
    if mime in ("image/bmp", "image/x-icon", "image/jxl"):
        pixels = decoded(body)
        image = pyvips.Image.new_from_array(pixels).copy(interpretation="srgb" if pixels.shape[2] > 2 else "b-w")
    else:
        image = pyvips.Image.new_from_buffer(body, "")
    image = image.colourspace("srgb")
    image = (image if image.hasalpha() else image.bandjoin(255)).cast("uchar")
    if min(image.width, image.height) < 16:
        return None
    return np.asarray(image.resize(8 / image.width, vscale=8 / image.height, kernel="linear").numpy()[:, :, :4])


def seen(pixels: np.ndarray) -> np.ndarray:
    """Weigh colours by alpha: what the invisible ones are means nothing."""
    alpha = pixels[:, :, 3:] / 255
    return np.dstack([pixels[:, :, :3] * alpha, pixels[:, :, 3]])


def disagreement(row: list[str], corpus: Path, dialect: Imgproxy) -> str:
    """Compare one case with what imgproxy answered; "" if they agree. The rules are those of imgproxy_cases.py."""
    path, status, mime, width, height, _, size, _, colours, _ = row
    try:
        asked = dialect.parse("/unsafe" + path, 0)
        data = (corpus / asked.pipeline.source.url.removeprefix("local:///")).read_bytes()
        result = show(data, asked.pipeline)
    except TintypeError as error:
        return f"refused: {error}"
    assert status == "200"
    if (FACTS[result.format].mime, result.width, result.height) != (mime, int(width), int(height)):
        return f"{result.format} {result.width} x {result.height}, not {mime} {width} x {height}"
    low, high = (0.6, 1.5) if mime in ("image/jpeg", "image/webp", "image/avif") else (0.3, 2.5)
    if not low <= len(result.body) / int(size) <= high and abs(len(result.body) - int(size)) > 600:
        return f"{len(result.body)} bytes, not {size}"
    found = grid(result.body, mime) if mime != "image/svg+xml" and colours != "-" else None
    if found is None:
        return ""
    off = np.abs(seen(found) - seen(np.frombuffer(bytes.fromhex(colours), np.uint8).reshape(8, 8, 4)))
    return f"colours off by {off.max():.0f}" if off.max() > 12 or off.mean() > 3 else ""


def test_results_are_those_of_imgproxy(corpus: Path, spec: Path) -> None:
    """Every eighth case; all of them are compared over HTTP by the end-to-end tests."""
    lines = (spec / "imgproxy_cases.tsv").read_text().splitlines()[1:]
    rows = [row for row in (line.split("\t") for line in lines) if row[1] == "200" and "/raw:" not in row[0]][::8]
    dialect = Imgproxy(ImgproxySettings())
    wrong = {row[0]: why for row in rows if (why := disagreement(row, corpus, dialect))}
    assert len(wrong) <= 0.02 * len(rows), json.dumps(wrong, indent=1)
    assert not [why for why in wrong.values() if why.startswith("refused")], "what imgproxy shows is shown"


def test_everything_hostile_is_shown_or_refused_in_words(corpus: Path) -> None:
    """In a process of its own, locked down as a worker is: a crash would end it without the last line."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.hostile", "files", str(corpus)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["untyped"] == []
    assert report["shown"] >= 180, "of 369 files imgproxy shows 180"
    assert report["files"] == 369


def test_damaged_pictures_are_shown_or_refused_in_words() -> None:
    """Truncations, flipped bytes and splices of pictures in every format; seeded, so that a failure can be repeated."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.worker.hostile", "damage", "500"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-2000:]
    report = json.loads(done.stdout.splitlines()[-1])
    assert report["untyped"] == []
    assert report["shown"] > 50
    assert report["refused"] > 50

"""The reduction in linear light against the same in floating point; how good it looks has floors."""

from __future__ import annotations

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pyvips
from bench.photos import picture
from bench.quality import linear_reference, ssimulacra2
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tests.worker.pictures import encoded, gradient, translucent, vips
from tintype.core.formats import Format
from tintype.core.plan import Load, Scale
from tintype.core.policy import Light
from tintype.worker import codecs, resample
from tintype.worker.codecs import libvips
from tintype.worker.steps.context import Context
from tintype.worker.steps.scale import KERNELS, scale

LANCZOS = Pillow.Resampling.LANCZOS


def noisy(width: int, height: int, bands: int) -> Any:
    return np.random.default_rng(3).integers(30, 220, (height, width, bands), np.uint8)


def in_floats(source: Any, width: int, height: int) -> Any:
    """Return what Pillow makes of premultiplied light in floating point, with the same kernel and no boxes."""
    colours = source.shape[2] - (source.shape[2] in (2, 4))
    stored = source[:, :, :colours] / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    alpha = source[:, :, colours:] / 255
    planes = np.dstack([light * alpha if alpha.size else light, alpha]).astype(np.float32)
    small = [Pillow.fromarray(planes[:, :, i]).resize((width, height), LANCZOS) for i in range(planes.shape[2])]
    found = np.dstack([np.asarray(plane) for plane in small])
    alpha = np.clip(found[:, :, colours:], 0, 1)
    light = np.clip(found[:, :, :colours] / np.maximum(alpha, 1e-3) if alpha.size else found[:, :, :colours], 0, 1)
    stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.rint(np.dstack([stored, alpha]) * 255)


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@pytest.mark.parametrize(("width", "height"), [(100, 70), (150, 100), (57, 41), (199, 149)])
def test_reductions_are_those_of_floating_point(bands: int, width: int, height: int) -> None:
    source = noisy(200, 150, bands)
    image = vips(source, "b-w" if bands < 3 else "srgb")
    found = resample.reduced(image, width, height).astype(int)
    wrong = np.abs(found - in_floats(source, width, height))
    if bands in (2, 4):
        wrong[:, :, :-1] *= found[:, :, -1:] / 255  # as far as it is seen
    if min(200 / width, 150 / height) < 3:
        assert wrong.max() <= 1
        assert wrong.mean() < 0.02
    else:  # white noise is what boxes are worst at
        assert wrong.mean() < 6


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@settings(deadline=None, max_examples=40)
@given(
    target=st.tuples(st.integers(5, 90), st.integers(5, 90)),
    by=st.tuples(st.floats(1.0, 2.95), st.floats(1.0, 2.95)),
    seed=st.integers(0, 99),
)
def test_up_to_three_every_size_is_that_of_floating_point(
    bands: int, target: tuple[int, int], by: tuple[float, float], seed: int
) -> None:
    width, height = target
    sides = int(width * by[0]), int(height * by[1])
    source = np.random.default_rng(seed).integers(30, 220, (sides[1], sides[0], bands), np.uint8)
    found = resample.reduced(vips(source, "b-w" if bands < 3 else "srgb"), width, height).astype(int)
    wrong = np.abs(found - in_floats(source, width, height))
    if bands in (2, 4):
        wrong[:, :, :-1] *= found[:, :, -1:] / 255
    assert wrong.max() <= 1


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
@settings(deadline=None, max_examples=60)
@given(
    sides=st.tuples(st.integers(1, 130), st.integers(1, 130)),
    target=st.tuples(st.integers(1, 130), st.integers(1, 130)),
)
def test_one_colour_stays_what_it_is_at_every_size(bands: int, sides: tuple[int, int], target: tuple[int, int]) -> None:
    width, height = min(sides[0], target[0]), min(sides[1], target[1])
    colour = np.array([37, 120, 240, 130][-bands:] if bands == 4 else [37, 120, 240][:bands], np.uint8)
    image = vips(np.broadcast_to(colour, (sides[1], sides[0], bands)).copy(), "b-w" if bands < 3 else "srgb")
    found = resample.reduced(image, width, height).astype(int)
    assert found.shape == (height, width, bands)
    assert np.abs(found - colour.astype(int)).max() <= 1


@pytest.mark.parametrize("reduction", [1.3, 2.5, 3.3, 3.9, 4.7, 9.1, 31])
@pytest.mark.parametrize("odd", [0, 1])
def test_nothing_moves(reduction: float, odd: int) -> None:
    """The middle of a blob is where it was, however sides and boxes divide."""
    width, height = 640 + odd, 480 + odd
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    at = (0.81 * width, 0.77 * height)
    blob = 250 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / (2 * 30.0**2))
    image = vips(np.dstack([blob] * 3).astype(np.uint8))
    columns, rows = round(width / reduction), round(height / reduction)
    light = resample.reduced(image, columns, rows)[:, :, 0].astype(float) ** 2.2
    found = [(light.sum(axis=axis) * (np.arange(n) + 0.5)).sum() / light.sum() for axis, n in ((0, columns), (1, rows))]
    assert found[0] / columns * width == pytest.approx(at[0], abs=0.25 + 0.1 * reduction)
    assert found[1] / rows * height == pytest.approx(at[1], abs=0.25 + 0.1 * reduction)


def test_what_is_invisible_does_not_show() -> None:
    source = np.zeros((64, 64, 4), np.uint8)
    source[:, :] = (255, 0, 0, 0)
    source[:, 32:] = (0, 0, 255, 255)
    found = resample.reduced(vips(source), 13, 13)
    seen = found[found[:, :, 3] > 8]
    assert (seen[:, 0] <= 1).all()
    assert (seen[:, 2] >= 254).all()
    assert found[:, 0, 3].max() == 0
    assert found[:, -1, 3].min() == 255


def test_rows_are_asked_for_once_and_from_the_top() -> None:
    data = encoded(Format.PNG, gradient(300, 400))
    image = libvips.load(memoryview(data), Load(format=Format.PNG, width=300, height=400))
    assert image.get_typeof("vips-sequential")
    for width, height in ((299, 399), (80, 107), (20, 3), (1, 1)):
        image = libvips.load(memoryview(data), Load(format=Format.PNG, width=300, height=400))
        assert resample.reduced(image, width, height).shape == (height, width, 3)


def test_header_fields_stay() -> None:
    image = vips(translucent(90, 60)).copy()
    image.set_type(pyvips.GValue.gint_type, "orientation", 6)
    small = scale(image, Scale(width=30, height=20, light=Light.LINEAR), Context(()))
    assert (small.width, small.height, small.bands, small.interpretation) == (30, 20, 4, "srgb")
    assert small.get("orientation") == 6


@pytest.mark.parametrize("light", list(Light))
@pytest.mark.parametrize("reduction", [0.2, 1.0, 2.9, 3.0, 50.0])
@pytest.mark.parametrize("format", ["uchar", "ushort"])
def test_every_image_has_a_kernel(light: Light, reduction: float, format: str) -> None:
    image = pyvips.Image.black(2, 2).cast(format)
    assert [one for one in KERNELS if one.does(image, light, reduction)]


# Width -> the least score, a point below what was measured.
_FLOORS = {900: 96.5, 512: 96.0, 320: 95.0}


def _score(image: Any, width: int) -> float:
    height = round(image.height * width / image.width)
    return ssimulacra2(linear_reference(image, width, height), resample.reduced(image, width, height))


def test_a_generated_picture_looks_as_in_floating_point() -> None:
    image = picture(1600, 1200, 1).copy_memory()
    scores = {width: _score(image, width) for width in _FLOORS}
    assert all(scores[width] >= least for width, least in _FLOORS.items()), scores


def test_photos_look_as_in_floating_point(corpus: Path) -> None:
    for file in sorted((corpus / "photos").glob("*.jpg"))[:3]:
        data = file.read_bytes()
        info = codecs.info(Format.JPEG, memoryview(data))
        load = Load(format=Format.JPEG, shrink=2, width=info.width // 2, height=info.height // 2)
        score = _score(codecs.load(memoryview(data), load).copy_memory(), 512)
        assert score >= 91, file.name


@pytest.mark.parametrize("bands", [3, 4])
def test_little_is_held_whatever_the_source_has(bands: int) -> None:
    """12000 x 8400 pixels are 300 MB and more, their light twice of it."""
    large = pyvips.Image.black(12_000, 8_400, bands=bands).copy(interpretation="srgb")
    for width, height in ((512, 358), (60, 42), (4, 3)):
        resample.reduced(large.crop(0, 0, 600, 420), width, height)
        tracemalloc.start()
        resample.reduced(large, width, height)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert 100_000 < peak < 20_000_000, "what NumPy and OpenCV hold, which ask it for theirs"


@pytest.mark.parametrize("bands", [1, 3, 4])
def test_how_much_is_taken_at_once_does_not_show(bands: int, monkeypatch: pytest.MonkeyPatch) -> None:
    source = noisy(301, 397, bands)
    image = vips(source, "b-w" if bands < 3 else "srgb")
    for width, height in ((200, 263), (97, 131), (31, 40)):
        wanted = resample.reduced(image, width, height).astype(int)
        for name, value in (("_STRIP_BYTES", 20_000), ("_TOGETHER", 1), ("_SMALL", 1)):
            with monkeypatch.context() as patch:
                patch.setattr(resample, name, value)
                assert np.abs(resample.reduced(image, width, height) - wanted).max() <= 1  # sums in another order

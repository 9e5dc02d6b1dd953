"""PNG as we write it: every decoder reads the same pixels, in no more bytes than libpng would need."""

from __future__ import annotations

import io
import zlib
from functools import cache

import numpy as np
import numpy.typing as npt
import pytest
import pyvips
from bench.graphics import cut_out, logo, screenshot
from bench.photos import picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from tintype.worker.codecs import png
from tintype.worker.pixels import to_array

Pixels = npt.NDArray[np.uint8]


@st.composite
def pictures(draw: st.DrawFn) -> Pixels:
    """Noise, slopes, single colours and chequers, of any size up to some strips, in 1 to 4 bands."""
    height, width = draw(st.integers(1, 300)), draw(st.integers(1, 90))
    bands, seed = draw(st.integers(1, 4)), draw(st.integers(0, 99))
    kind = draw(st.sampled_from(("noise", "slope", "flat", "chequers")))
    y, x = np.mgrid[:height, :width]
    plane = {
        "noise": np.random.default_rng(seed).integers(0, 256, (height, width)),
        "slope": x * 3 + y * 5 + seed,
        "flat": np.full((height, width), seed),
        "chequers": ((x // 7 + y // 5) % 2) * 255,
    }[kind]
    return np.dstack([plane + 31 * band for band in range(bands)]).astype(np.uint8)


@settings(deadline=None, max_examples=150)
@given(pictures(), st.sampled_from((1, 2, 5)))
def test_two_decoders_read_what_was_written(pixels: Pixels, level: int) -> None:
    body = png.save(pixels, level)
    assert np.array_equal(to_array(pyvips.Image.new_from_buffer(body, "")), pixels)
    opened = Pillow.open(io.BytesIO(body))
    assert opened.mode == ("L", "LA", "RGB", "RGBA")[pixels.shape[2] - 1]
    assert np.array_equal(np.asarray(opened).reshape(pixels.shape), pixels)


def test_rows_longer_than_a_strip() -> None:
    pixels = np.random.default_rng(1).integers(0, 256, (3, 70_000, 3)).astype(np.uint8)
    assert np.array_equal(to_array(pyvips.Image.new_from_buffer(png.save(pixels, 1), "")), pixels)


def test_gray_without_a_third_dimension() -> None:
    pixels = np.arange(256, dtype=np.uint8).reshape(16, 16)
    assert np.array_equal(np.asarray(Pillow.open(io.BytesIO(png.save(pixels, 5)))), pixels)


def test_every_chunk_says_its_length_and_its_sum() -> None:
    body, at, kinds = png.save(np.zeros((5, 5, 3), np.uint8), 5), 8, []
    assert body[:8] == b"\x89PNG\r\n\x1a\n"
    while at < len(body):
        length = int.from_bytes(body[at : at + 4], "big")
        told = int.from_bytes(body[at + 8 + length : at + 12 + length], "big")
        assert told == zlib.crc32(body[at + 4 : at + 8 + length])
        kinds.append(body[at + 4 : at + 8])
        at += 12 + length
    assert kinds == [b"IHDR", b"IDAT", b"IEND"]


SOURCES = {
    "photo": lambda: picture(900, 700, 3),
    "screenshot": lambda: screenshot(1024, 2),
    "logo": lambda: logo(1024, 2),
    "cut out": lambda: cut_out(900, 2),
}


@cache
def reduced(name: str, side: int) -> pyvips.Image:
    return SOURCES[name]().thumbnail_image(side, height=side).cast("uchar").copy_memory()


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("side", [160, 512])
def test_no_more_bytes_than_libpng_with_every_filter(name: str, side: int) -> None:
    image = reduced(name, side)
    pixels = np.ascontiguousarray(to_array(image), np.uint8)
    libpng = image.pngsave_buffer(compression=6, filter="all", keep="none")
    assert len(png.save(pixels, 5)) <= len(libpng) * 1.05


def test_drawings_go_unfiltered_and_photos_do_not() -> None:
    """Filters hide from deflate what repeats in a screenshot; in a photo nothing repeats."""
    for name, filters in {"screenshot": {0}, "logo": {0}, "photo": {1, 2, 3}, "cut out": {1, 2, 3}}.items():
        pixels = np.ascontiguousarray(to_array(reduced(name, 512)), np.uint8)
        assert set(np.unique(png.filtered(pixels)[:, 0])) <= filters, name

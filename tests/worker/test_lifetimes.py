"""Memory that images read from lives as long as they do; libvips itself would not notice that it is gone."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from tests.worker.pictures import HEIGHT, WIDTH, decoded, distance, encoded, gradient, svg
from tintype.core.formats import Format
from tintype.core.plan import Load
from tintype.worker import codecs
from tintype.worker.pixels import from_array


@pytest.mark.parametrize(
    "format", [Format.JPEG, Format.PNG, Format.GIF, Format.WEBP, Format.AVIF, Format.TIFF, Format.ICO]
)
def test_bytes_live_as_long_as_an_image_made_from_them(format: Format) -> None:
    data = np.frombuffer(encoded(format, gradient()), np.uint8).copy()
    alive = weakref.ref(data)
    image = codecs.load(data.data, Load(format=format, width=WIDTH, height=HEIGHT)).resize(0.5)
    del data
    gc.collect()
    assert alive() is not None
    image.avg()
    del image
    gc.collect()
    assert alive() is None, "and no longer"


def test_a_sanitised_vector_lives_too() -> None:
    image = codecs.load(memoryview(svg().encode()), Load(format=Format.SVG, width=WIDTH, height=HEIGHT))
    rubbish = [bytes(1000) for _ in range(1000)]
    assert distance(image.numpy()[10, 10], np.array([200, 0, 0, 255])) == 0
    assert rubbish


def test_pixels_live_as_long_as_an_image_made_from_them() -> None:
    pixels = gradient()
    expected, alive = pixels.copy(), weakref.ref(pixels)
    image = from_array(pixels, "srgb").copy_memory()
    joined = from_array(pixels, "srgb").fliphor()
    del pixels
    gc.collect()
    assert alive() is not None
    assert np.array_equal(image.numpy(), expected)
    assert np.array_equal(joined.numpy(), expected[:, ::-1])


def test_results_do_not_depend_on_memory_that_was_freed() -> None:
    """The same bytes a hundred times over, with other images in between."""
    data = encoded(Format.JXL, gradient())
    load = Load(format=Format.JXL, width=WIDTH, height=HEIGHT)
    for _ in range(100):
        image = codecs.load(memoryview(data), load)
        assert np.array_equal(decoded(image.pngsave_buffer()), gradient())

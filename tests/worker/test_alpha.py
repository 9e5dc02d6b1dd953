"""Premultiplied pixels: those of libvips, rounded, however they are made, and nothing that is invisible in what is seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tests.worker.pictures import vips
from tintype.worker import alpha
from tintype.worker.pixels import INT, Image


def every_pair() -> Any:
    """Return each of the 256 x 256 pairs of a colour and an alpha."""
    colour, by = np.meshgrid(np.arange(256, dtype=np.uint8), np.arange(256, dtype=np.uint8))
    return np.dstack([colour, colour[:, ::-1], colour ^ 0x55, by])


def weighted(image: Image) -> tuple[Any, Any]:
    """Return what a filter is given, and what libvips would give it, rounded."""
    given: list[Image] = []

    def seen(pixels: Image) -> Image:
        given.append(pixels)
        return pixels

    alpha.premultiplied(image, seen)
    assert given[0].interpretation == image.interpretation
    return given[0].numpy(), image.premultiply().rint().cast(image.format).numpy()


@pytest.mark.parametrize("bands", [[0, 1, 2, 3], [1, 3]])
@pytest.mark.parametrize("strip", [1, 2000, 1 << 18])
def test_colours_are_weighted_as_by_libvips(bands: list[int], strip: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpha, "_STRIP_BYTES", strip)
    image = vips(np.ascontiguousarray(every_pair()[:, :, bands])).copy(
        interpretation="srgb" if len(bands) > 2 else "b-w"
    )
    assert image.hasalpha()
    ours, theirs = weighted(image)
    assert np.array_equal(ours, theirs)


def test_what_cannot_be_held_and_what_is_deeper_is_weighted_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    image = vips(every_pair())
    deep = (image.cast("ushort") * 257).cast("ushort").copy(interpretation="rgb16")
    assert np.array_equal(*weighted(deep))
    held = weighted(image)[0]
    monkeypatch.setattr(alpha, "WEIGHTED_PIXELS", 100)
    assert np.array_equal(weighted(image)[0], held)


def test_light_in_floating_point_is_not_rounded() -> None:
    light = vips(every_pair()).colourspace("scrgb")
    assert np.array_equal(weighted(light)[0], light.premultiply().numpy())


def test_header_fields_stay_and_the_opaque_is_as_it_was() -> None:
    image = vips(np.dstack([every_pair()[:, :, :3], np.full((256, 256), 255, np.uint8)])).copy()
    image.set_type(INT, "orientation", 6)
    result = alpha.premultiplied(image, lambda pixels: pixels)
    assert result.get("orientation") == 6
    assert np.array_equal(result.numpy(), image.numpy())


def test_without_alpha_there_is_nothing_to_weigh() -> None:
    image = vips(every_pair()[:, :, :3].copy())
    assert alpha.premultiplied(image, lambda pixels: pixels) is image

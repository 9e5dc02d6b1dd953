"""Filters on images with alpha: colours weighted by it, so that what is invisible does not bleed into what is seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import cv2
import numpy as np
import numpy.typing as npt
import pyvips

from tintype.core.loading import WEIGHTED_PIXELS
from tintype.worker.pixels import Image, from_array, with_pixels

Bytes: TypeAlias = npt.NDArray[np.uint8]

_STRIP_BYTES = 1 << 18  # weighted at once, so that they stay in the processor's cache


def premultiplied(image: Image, filtered: Callable[[Image], Image]) -> Image:
    """Apply a filter to premultiplied pixels, in the image's own sample format: floating point is many times slower."""
    if not image.hasalpha():
        return filtered(image)
    kind, space = image.format, image.interpretation
    image = filtered(_weighted(image).copy(interpretation=space))
    return image.unpremultiply().cast(kind).copy(interpretation=space)


def _weighted(image: Image) -> Image:
    """Return colours times alpha, rounded down: the pixels of libvips, in half of its time, which goes into floating point."""
    plain = image.format == "uchar" and image.bands in (2, 4)
    if not plain or image.width * image.height > WEIGHTED_PIXELS:
        return image.premultiply().cast(image.format)
    region = pyvips.Region.new(image)
    out = np.empty((image.height, image.width, image.bands), np.uint8)
    some = max(1, _STRIP_BYTES // (image.width * image.bands))
    for top in range(0, image.height, some):
        part = out[top : top + some]
        strip = np.frombuffer(region.fetch(0, top, image.width, len(part)), np.uint8)
        _weigh(strip.reshape(part.shape), part)
    return with_pixels(image, from_array(out, image.interpretation))


def _weigh(pixels: Bytes, out: Bytes) -> None:
    *colours, alpha = cv2.split(pixels)
    by = alpha.astype(np.uint16)
    # In 256ths, which round up to no next whole.
    products = [cv2.multiply(np.left_shift(each, 8, dtype=np.uint16), by, scale=1 / 255) for each in colours]
    cv2.merge([*(np.right_shift(each, 8).astype(np.uint8) for each in products), np.asarray(alpha)], out)

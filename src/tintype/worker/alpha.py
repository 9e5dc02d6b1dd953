"""Filters on images with alpha: colours weighted by it, so that what is invisible does not bleed into what is seen."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import pyvips

from tintype.core.loading import WEIGHTED_PIXELS
from tintype.worker.pixels import Image, from_array, with_pixels

_RGBA = 4  # bands
_FLOATS = frozenset({"float", "double"})
_STRIP_BYTES = 1 << 18  # weighted at once, so that they stay in the processor's cache


def premultiplied(image: Image, filtered: Callable[[Image], Image]) -> Image:
    """Apply a filter to premultiplied pixels, in the image's own sample format: floating point is many times slower."""
    if not image.hasalpha():
        return filtered(image)
    kind, space = image.format, image.interpretation
    image = filtered(_weighted(image).copy(interpretation=space))
    return image.unpremultiply().cast(kind).copy(interpretation=space)


def _weighted(image: Image) -> Image:
    """Return colours times alpha, integers rounded: of 8-bit RGBA by OpenCV, as libvips goes into floating point."""
    plain = image.format == "uchar" and image.bands == _RGBA
    if not plain or image.width * image.height > WEIGHTED_PIXELS:
        weighted = image.premultiply()
        return (weighted if image.format in _FLOATS else weighted.rint()).cast(image.format)
    region = pyvips.Region.new(image)
    out = np.empty((image.height, image.width, _RGBA), np.uint8)
    some = max(1, _STRIP_BYTES // (image.width * _RGBA))
    for top in range(0, image.height, some):
        part = out[top : top + some]
        strip = np.frombuffer(region.fetch(0, top, image.width, len(part)), np.uint8)
        cv2.cvtColor(strip.reshape(part.shape), cv2.COLOR_RGBA2mRGBA, part)
    return with_pixels(image, from_array(out, image.interpretation))

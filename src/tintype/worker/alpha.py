"""Filters on images with alpha: colours weighted by it, so that what is invisible does not bleed into what is seen."""

from __future__ import annotations

from collections.abc import Callable

from tintype.worker.pixels import Image


def premultiplied(image: Image, filtered: Callable[[Image], Image]) -> Image:
    """Apply a filter to premultiplied pixels, in the image's own sample format: floating point is many times slower."""
    if not image.hasalpha():
        return filtered(image)
    kind, space = image.format, image.interpretation
    image = filtered(image.premultiply().cast(kind).copy(interpretation=space))
    return image.unpremultiply().cast(kind).copy(interpretation=space)

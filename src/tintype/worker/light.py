"""Linear light: stored values to light and back, so that filters average what the eye would see averaged."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import numpy.typing as npt

from tintype.worker import transfer
from tintype.worker.alpha import premultiplied
from tintype.worker.pixels import Image, colour_bands, from_array

_DEEP = {"srgb": "rgb16", "b-w": "grey16"}


def in_linear_light(image: Image, filtered: Callable[[Image], Image]) -> Image:
    """Apply a filter to premultiplied light: 8-bit pixels in 16 bits through tables, deeper ones in floating point."""
    if image.format != "uchar":
        linear = premultiplied(image.colourspace("scrgb"), filtered)
        return linear.colourspace(image.interpretation)
    to_linear, to_stored = _tables()
    linear = _mapped(image, to_linear, alpha_factor=257, space=_DEEP[image.interpretation])
    return _mapped(premultiplied(linear, filtered), to_stored, alpha_factor=1 / 257, space=image.interpretation)


def _mapped(image: Image, table: Image, *, alpha_factor: float, space: str) -> Image:
    count = colour_bands(image)
    colours = (image[:count] if image.bands > count else image).maplut(table)
    if image.bands > count:
        alpha = (image[count] * alpha_factor).rint().cast(table.format)
        colours = colours.bandjoin(alpha)
    return colours.copy(interpretation=space)


@cache
def _tables() -> tuple[Image, Image]:
    """Return 8-bit stored -> 16-bit linear, and back."""
    return _table(transfer.to_light()), _table(transfer.to_stored())


def _table(values: npt.NDArray[np.generic]) -> Image:
    return from_array(values.reshape(1, -1), "histogram")

"""Scale: resampling with Lanczos 3, in stored values or in linear light."""

from __future__ import annotations

from functools import cache

import numpy as np
import pyvips

from tintype.core.geometry import half_up
from tintype.core.plan import Scale
from tintype.core.policy import Light
from tintype.worker import colour
from tintype.worker.alpha import premultiplied
from tintype.worker.pixels import Image, colour_bands, from_array
from tintype.worker.steps.context import Context


def scale(image: Image, step: Scale, _context: Context) -> Image:
    if (image.width, image.height) == (step.width, step.height):
        return image
    if step.light is Light.LINEAR:
        return _in_linear_light(colour.settle(image), step)
    return premultiplied(image, lambda pixels: _resize(pixels, step))


def _resize(image: Image, step: Scale) -> Image:
    across, down = _factors((image.width, image.height), (step.width, step.height))
    resized = image.resize(across, vscale=down)
    if (resized.width, resized.height) == (step.width, step.height):
        return resized
    return image.resize(step.width / image.width, vscale=step.height / image.height)


def _factors(source: tuple[int, int], target: tuple[int, int]) -> tuple[float, float]:
    """Return the factors across and down: one for both, where a side's target is the other's factor, rounded.

    37.5 rows shown as 38 are then 38 rows of the right height and not 38 rows a little too low.
    """
    across, down = target[0] / source[0], target[1] / source[1]
    by_width, by_height = half_up(source[1] * across) == target[1], half_up(source[0] * down) == target[0]
    if by_width is by_height:
        return across, down
    return (across, across) if by_width else (down, down)


def _in_linear_light(image: Image, step: Scale) -> Image:
    """Resample 8-bit pixels in 16-bit linear light through tables, deeper ones in floating point."""
    if image.format != "uchar":
        space = image.interpretation
        linear = premultiplied(image.colourspace("scrgb"), lambda pixels: _resize(pixels, step))
        return linear.colourspace(space)
    to_linear, to_stored = _tables()
    linear = _map_colours(image, to_linear, alpha_factor=257, space=_DEEP[image.interpretation])
    linear = premultiplied(linear, lambda pixels: _resize(pixels, step))
    return _map_colours(linear, to_stored, alpha_factor=1 / 257, space=image.interpretation)


_DEEP = {"srgb": "rgb16", "b-w": "grey16"}


def _map_colours(image: Image, table: Image, *, alpha_factor: float, space: str) -> Image:
    count = colour_bands(image)
    colours = (image[:count] if image.bands > count else image).maplut(table)
    if image.bands > count:
        alpha = (image[count] * alpha_factor).rint().cast(table.format)
        colours = colours.bandjoin(alpha)
    return colours.copy(interpretation=space)


@cache
def _tables() -> tuple[Image, Image]:
    """Return 8-bit stored -> 16-bit linear, and back, by the sRGB transfer function of IEC 61966-2-1."""
    stored = np.arange(256) / 255
    linear = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    to_linear = np.rint(linear * 65535).astype(np.uint16)
    linear = np.arange(65536) / 65535
    stored = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    to_stored = np.rint(stored * 255).astype(np.uint8)
    return _table(to_linear), _table(to_stored)


def _table(values: np.ndarray) -> pyvips.Image:
    return from_array(values.reshape(1, -1), "histogram")

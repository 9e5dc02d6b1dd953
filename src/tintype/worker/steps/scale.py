"""Scale: resampling with Lanczos 3, in stored values or in linear light; which kernel does it is a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from tintype.core.geometry import half_up
from tintype.core.plan import Scale
from tintype.core.policy import Light
from tintype.worker import colour, resample
from tintype.worker.alpha import premultiplied
from tintype.worker.light import in_linear_light
from tintype.worker.pixels import Image, from_array, with_pixels
from tintype.worker.steps.context import Context
from tintype.worker.stored import resized


def scale(image: Image, step: Scale, _context: Context) -> Image:
    if (image.width, image.height) == (step.width, step.height):
        return image
    if step.light is Light.LINEAR:
        image = colour.settle(image)
    reduction = min(image.width / step.width, image.height / step.height)
    kernel = next(one for one in KERNELS if one.does(image, step.light, reduction))
    return kernel.resample(image, step)


class Kernel(NamedTuple):
    """A way to resample: in which light, from which reduction on, of which samples."""

    resample: Callable[[Image, Scale], Image]
    light: Light
    least: float
    formats: frozenset[str]

    def does(self, image: Image, light: Light, reduction: float) -> bool:
        return light is self.light and reduction >= self.least and image.format in self.formats


def _in_strips(image: Image, step: Scale) -> Image:
    pixels = resample.reduced(image, step.width, step.height)
    return with_pixels(image, from_array(pixels, image.interpretation))


def _in_light(image: Image, step: Scale) -> Image:
    return in_linear_light(image, lambda pixels: _resize(pixels, step))


def _as_stored(image: Image, step: Scale) -> Image:
    return premultiplied(image, lambda pixels: _resize(pixels, step))


_BYTES, _ANY = frozenset({"uchar"}), frozenset({"uchar", "ushort"})
# The first that does it is taken. Measured in docs/decisions/0014.
KERNELS = (
    Kernel(_in_strips, Light.LINEAR, 1.0, _BYTES),
    Kernel(_in_light, Light.LINEAR, 0.0, _ANY),
    Kernel(_as_stored, Light.GAMMA, 0.0, _ANY),
)


def _resize(image: Image, step: Scale) -> Image:
    across, down = _factors((image.width, image.height), (step.width, step.height))
    result = resized(image, across, down)
    if (result.width, result.height) == (step.width, step.height):
        return result
    return resized(image, step.width / image.width, step.height / image.height)


def _factors(source: tuple[int, int], target: tuple[int, int]) -> tuple[float, float]:
    """Return the factors across and down: one for both, where a side's target is the other's factor, rounded.

    37.5 rows shown as 38 are then 38 rows of the right height and not 38 rows a little too low.
    """
    across, down = target[0] / source[0], target[1] / source[1]
    by_width, by_height = half_up(source[1] * across) == target[1], half_up(source[0] * down) == target[0]
    if by_width is by_height:
        return across, down
    return (across, across) if by_width else (down, down)

"""Scale: resampling with Lanczos 3, in stored values or in linear light."""

from __future__ import annotations

from tintype.core.geometry import half_up
from tintype.core.plan import Scale
from tintype.core.policy import Light
from tintype.worker import colour
from tintype.worker.alpha import premultiplied
from tintype.worker.light import in_linear_light
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context


def scale(image: Image, step: Scale, _context: Context) -> Image:
    if (image.width, image.height) == (step.width, step.height):
        return image
    if step.light is Light.LINEAR:
        return in_linear_light(colour.settle(image), lambda pixels: _resize(pixels, step))
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

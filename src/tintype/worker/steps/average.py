"""Average: whole boxes of pixels averaged in linear light: a reduction that is nearly free, for what is reduced again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tintype.core.plan import Average
from tintype.worker import colour, transfer
from tintype.worker.boxes import Bytes, Rows, boxed, looked_up
from tintype.worker.light import in_linear_light
from tintype.worker.pixels import Image, from_array, with_pixels
from tintype.worker.steps.context import Context

# Rows of the result that are made at once: light is then in the processor's cache, and the worker's memory stays small.
_ROWS = 32


def average(image: Image, step: Average, _context: Context) -> Image:
    image = _middle(colour.settle(image), step)
    if image.hasalpha() or image.format != "uchar":
        return in_linear_light(image, lambda pixels: pixels.shrink(step.box, step.box))
    pixels = np.concatenate([_averaged(strip, step) for strip in _strips(image, step)])
    return with_pixels(image, from_array(pixels, image.interpretation))


def _middle(image: Image, step: Average) -> Image:
    """Cut what fills no box, as much on either side."""
    width, height = step.width * step.box, step.height * step.box
    return image.extract_area((image.width - width) // 2, (image.height - height) // 2, width, height)


def _strips(image: Image, step: Average) -> Iterator[Bytes]:
    source = Rows(image)
    for top in range(0, source.height, _ROWS * step.box):
        yield source.read(top, min(top + _ROWS * step.box, source.height))


def _averaged(strip: Bytes, step: Average) -> Bytes:
    light = boxed(looked_up(strip, transfer.to_light()), (len(strip) // step.box, step.width))
    return looked_up(light, transfer.to_stored()).reshape(*light.shape[:2], strip.shape[2])

"""Average: whole boxes of pixels averaged in linear light: a reduction that is nearly free, for what is reduced again."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import numpy.typing as npt
import pyvips

from tintype.core.plan import Average
from tintype.worker import colour, transfer
from tintype.worker.light import in_linear_light
from tintype.worker.pixels import Image, from_array, with_pixels
from tintype.worker.steps.context import Context

Bytes = npt.NDArray[np.uint8]

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
    """Yield rows, from the top down: decoders cannot go back."""
    region = pyvips.Region.new(image)
    for top in range(0, image.height, _ROWS * step.box):
        rows = region.fetch(0, top, image.width, min(_ROWS * step.box, image.height - top))
        yield np.frombuffer(rows, np.uint8).reshape(-1, image.width, image.bands)


def _averaged(strip: Bytes, step: Average) -> Bytes:
    rows = len(strip) // step.box
    light = cv2.resize(cv2.LUT(strip, transfer.to_light()), (step.width, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.LUT(light, transfer.to_stored()), np.uint8).reshape(rows, step.width, strip.shape[2])

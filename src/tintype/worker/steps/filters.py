"""Blur, sharpen and pixelate, on pixels weighted by their alpha."""

from __future__ import annotations

from math import ceil

from tintype.core.plan import BlurStep, PixelateStep, SharpenStep
from tintype.worker import colour
from tintype.worker.alpha import premultiplied
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context


def blur(image: Image, step: BlurStep, _context: Context) -> Image:
    return premultiplied(image.copy_memory(), lambda pixels: pixels.gaussblur(step.sigma))


def sharpen(image: Image, step: SharpenStep, _context: Context) -> Image:
    """Sharpen lightness only, as libvips does with its defaults."""

    def sharpened(pixels: Image) -> Image:
        return pixels.sharpen(sigma=step.sigma).colourspace(pixels.interpretation).cast(pixels.format)

    return premultiplied(colour.settle(image).copy_memory(), sharpened)


def pixelate(image: Image, step: PixelateStep, _context: Context) -> Image:
    size = min(step.size, max(image.width, image.height))
    return premultiplied(image.copy_memory(), lambda pixels: _blocks(pixels, size)) if size > 1 else image


def _blocks(image: Image, size: int) -> Image:
    """Replace blocks by their mean; blocks that the edge cuts are completed by reflection."""
    width, height = ceil(image.width / size) * size, ceil(image.height / size) * size
    whole = image.embed(0, 0, width, height, extend="mirror")
    return whole.shrink(size, size).zoom(size, size).extract_area(0, 0, image.width, image.height)

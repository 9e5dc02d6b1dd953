"""Canvas and Flatten: what is behind and around the image."""

from __future__ import annotations

from tintype.core.plan import Canvas, Flatten
from tintype.worker import colour
from tintype.worker.pixels import Image, colour_bands, full
from tintype.worker.steps.context import Context


def canvas(image: Image, step: Canvas, _context: Context) -> Image:
    if not image.hasalpha():
        image = image.bandjoin(full(image)).copy(interpretation=image.interpretation)
    return image.embed(step.left, step.top, step.width, step.height, extend="black")


def flatten(image: Image, step: Flatten, _context: Context) -> Image:
    if not image.hasalpha():
        return image
    gray = step.color.r == step.color.g == step.color.b
    image = colour.settle(image) if gray else colour.paintable(image)
    behind = [step.color.r, step.color.g, step.color.b][: colour_bands(image)]
    return image.flatten(background=[value * full(image) / 255 for value in behind])

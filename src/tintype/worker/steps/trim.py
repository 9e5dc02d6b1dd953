"""TrimBorder: the border of one colour found in the pixels, and cut."""

from __future__ import annotations

from tintype.core.plan import TrimBorder
from tintype.worker import colour
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context

# What transparent pixels count as: a colour that pictures seldom have.
_MAGENTA = (255.0, 0.0, 255.0)


def trim(image: Image, step: TrimBorder, _context: Context) -> Image:
    image = image.copy_memory()
    seen = colour.paintable(image)
    if seen.interpretation != "srgb":
        seen = seen.colourspace("srgb")
    if seen.hasalpha():
        seen = seen.flatten(background=_MAGENTA)
    border = [step.color.r, step.color.g, step.color.b] if step.color else seen(0, 0)
    left, top, width, height = seen.find_trim(background=border, threshold=step.threshold)
    if step.equal_horizontal:
        left, width = _equal(left, width, image.width)
    if step.equal_vertical:
        top, height = _equal(top, height, image.height)
    return image.extract_area(left, top, width, height) if width and height else image


def _equal(start: int, length: int, side: int) -> tuple[int, int]:
    """Cut as much from both ends as can be cut from the one with less border."""
    start = min(start, side - start - length)
    return start, side - 2 * start

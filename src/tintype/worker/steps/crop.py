"""CropBox: a part of the image."""

from __future__ import annotations

from tintype.core.plan import CropBox
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context


def crop(image: Image, step: CropBox, _context: Context) -> Image:
    return image.extract_area(step.left, step.top, step.width, step.height)

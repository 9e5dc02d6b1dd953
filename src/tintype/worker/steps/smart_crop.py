"""SmartCrop: the part of the image that draws attention."""

from __future__ import annotations

from tintype.core.plan import SmartCrop
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context


def smart_crop(image: Image, step: SmartCrop, _context: Context) -> Image:
    width, height = min(step.width, image.width), min(step.height, image.height)
    if (width, height) == (image.width, image.height):
        return image
    return image.copy_memory().smartcrop(width, height, interesting="attention")

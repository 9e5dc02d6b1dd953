"""ToWorking: the space that steps work in."""

from __future__ import annotations

from tintype.core.plan import ToWorking
from tintype.worker import colour
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context


def to_working(image: Image, step: ToWorking, _context: Context) -> Image:
    return colour.to_working(image, step)

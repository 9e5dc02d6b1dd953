"""Turn and Mirror: mirrored and turned by right angles; EXIF orientation is used up by it."""

from __future__ import annotations

from tintype.core.plan import Mirror, Turn
from tintype.worker import metadata
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context

_ROTATIONS = {90: "d90", 180: "d180", 270: "d270"}


def turn(image: Image, step: Turn, _context: Context) -> Image:
    image = metadata.upright(image)
    if step.mirror:
        image = image.fliphor()
    if step.angle % 360:
        # Rows are needed out of order, which decoders that go from the top down cannot give.
        image = image.copy_memory().rot(_ROTATIONS[step.angle % 360])
    return image


def mirror(image: Image, step: Mirror, _context: Context) -> Image:
    if step.horizontal:
        image = image.fliphor()
    return image.copy_memory().flipver() if step.vertical else image

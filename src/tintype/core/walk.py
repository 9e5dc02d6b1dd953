"""How large the image is after each step of a plan: what resolving, pricing and checking all count on."""

from __future__ import annotations

from collections.abc import Sequence

from tintype.core.geometry import Size
from tintype.core.plan import Average, Canvas, CropBox, Load, Scale, SmartCrop, Step, Turn


def loaded(load: Load) -> Size:
    """Return the size of one frame as decoded."""
    return Size(load.width, load.height)


def after(step: Step, size: Size) -> Size:
    """Return the size a step leaves of an image; that of a TrimBorder is not known before, so its input's."""
    match step:
        case CropBox() | SmartCrop() | Scale() | Average() | Canvas():
            return Size(step.width, step.height)
        case Turn():
            return size.turned(step.angle)
        case _:
            return size


def walk(load: Load, steps: Sequence[Step]) -> list[tuple[Step, Size, Size]]:
    """Return each step with the sizes before and after it."""
    size, walked = loaded(load), []
    for step in steps:
        before, size = size, after(step, size)
        walked.append((step, before, size))
    return walked

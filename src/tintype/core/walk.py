"""How large the image is after each step of a plan: what resolving, pricing and checking all count on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

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


def walk(load: Load, steps: Sequence[Step]) -> Iterator[tuple[Step, Size, Size]]:
    """Yield each step with the sizes before and after it."""
    size = loaded(load)
    for step in steps:
        before, size = size, after(step, size)
        yield step, before, size

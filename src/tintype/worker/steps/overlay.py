"""Overlay: another input laid over the image, placed once or repeated."""

from __future__ import annotations

from tintype.core.geometry import place
from tintype.core.pipeline import Anchor, Gravity
from tintype.core.plan import Overlay
from tintype.worker import colour
from tintype.worker.pixels import Image
from tintype.worker.steps.context import Context
from tintype.worker.steps.mark import prepared


def overlay(image: Image, step: Overlay, context: Context) -> Image:
    image = colour.paintable(image)
    key = (step, image.width, image.height)
    if key not in context.overlays:
        context.overlays[key] = prepared(step, image, context).copy_memory()
    mark = context.overlays[key]
    left, top = (0, 0)
    if not step.tile:
        gravity = Gravity(anchor=Anchor(step.anchor), x=step.x, y=step.y)
        frame, inner = (image.width, image.height), (mark.width, mark.height)
        left, top = place(frame, inner, gravity, step.offset_scale, overflow=True)
    return _over(image, mark, left, top)


def _over(image: Image, mark: Image, left: int, top: int) -> Image:
    had_alpha = image.hasalpha()
    laid = image.composite2(mark, "over", x=left, y=top, compositing_space=image.interpretation).cast(image.format)
    return laid if had_alpha else laid[: image.bands].copy(interpretation=image.interpretation)

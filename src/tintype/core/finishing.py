"""What happens to the image once it has its shape: filters, canvases, the format's own limits, background, overlay."""

from __future__ import annotations

import math

from tintype.core.draft import Draft, Task, Turns
from tintype.core.formats import FACTS
from tintype.core.geometry import Size, half_even, place, resampled
from tintype.core.pipeline import (
    Anchor,
    Background,
    Blur,
    Color,
    Extend,
    ExtendAspect,
    Gravity,
    Pad,
    Pixelate,
    Sharpen,
    Watermark,
)
from tintype.core.plan import BlurStep, Canvas, Flatten, Overlay, PixelateStep, Scale, SharpenStep, Step
from tintype.core.sizing import padding_px

WATERMARK_INPUT = 1
"""Which of a job's inputs the watermark is; the source is 0."""

WHITE = Color(r=255, g=255, b=255)


def blur(task: Task, _draft: Draft) -> Step | None:
    asked = task.pipeline.find(Blur)
    return BlurStep(sigma=asked.sigma) if asked else None


def sharpen(task: Task, _draft: Draft) -> Step | None:
    asked = task.pipeline.find(Sharpen)
    return SharpenStep(sigma=asked.sigma) if asked else None


def pixelate(task: Task, _draft: Draft) -> Step | None:
    asked = task.pipeline.find(Pixelate)
    return PixelateStep(size=asked.size) if asked and asked.size > 1 else None


def extend(task: Task, draft: Draft) -> Step | None:
    asked = task.pipeline.find(Extend)
    return _canvas(task.sizes.target, draft, asked.gravity, task.sizes.dpr) if asked else None


def extend_aspect(task: Task, draft: Draft) -> Step | None:
    asked = task.pipeline.find(ExtendAspect)
    return _canvas(task.sizes.aspect, draft, asked.gravity, task.sizes.dpr) if asked else None


def _canvas(size: Size, draft: Draft, gravity: Gravity, dpr: float) -> Step | None:
    size = size.covering(draft.size)
    if size == draft.size:
        return None
    left, top = place(size, draft.size, gravity, dpr)
    return Canvas(width=size.width, height=size.height, left=left, top=top)


def pad(task: Task, draft: Draft) -> Step | None:
    asked = task.pipeline.find(Pad)
    top, right, bottom, left = padding_px(asked or Pad(), task.sizes.dpr)
    if not (top or right or bottom or left):
        return None
    size = draft.size
    return Canvas(width=size.width + left + right, height=size.height + top + bottom, left=left, top=top)


def clamp(task: Task, draft: Draft) -> Step | None:
    """Bring the image down to what its format can hold."""
    facts, frames, size = FACTS[task.format], task.loaded.load.frames, draft.size
    by_side = max(size) / facts.max_side_px if facts.max_side_px else 0.0
    by_area = math.sqrt(size.pixels * frames / facts.max_pixels) if facts.max_pixels else 0.0
    over = max(by_side, by_area)
    if over <= 1:
        return None
    width, height = resampled(size.width, 1 / over), resampled(size.height, 1 / over)
    return Scale(width=width, height=height, light=task.policy.light)


def flatten(task: Task, draft: Draft) -> Step | None:
    """Lay a transparent image on its background, or on white where the format cannot be transparent."""
    if not draft.alpha:
        return None
    asked = task.pipeline.find(Background)
    if asked is None and FACTS[task.format].alpha:
        return None
    return Flatten(color=asked.color if asked else WHITE)


def watermark(task: Task, draft: Draft) -> Step | None:
    asked, policy = task.pipeline.find(Watermark), task.policy
    opacity = asked.opacity * policy.watermark_opacity if asked and policy.watermark else 0.0
    if asked is None or opacity <= 0:
        return None
    return Overlay(
        input=WATERMARK_INPUT,
        opacity=opacity,
        anchor=asked.gravity.anchor,
        tile=asked.gravity.anchor is Anchor.TILE,
        x=asked.gravity.x,
        y=asked.gravity.y,
        fit_width=_share(draft.size.width, asked.scale),
        fit_height=_share(draft.size.height, asked.scale),
        offset_scale=task.sizes.dpr,
    )


def _share(side: int, scale: float) -> int:
    return max(1, half_even(side * scale)) if scale > 0 else 0


FINISHING: Turns = (
    (Blur, blur),
    (Sharpen, sharpen),
    (Pixelate, pixelate),
    (Extend, extend),
    (ExtendAspect, extend_aspect),
    (Pad, pad),
    (None, clamp),
    (None, flatten),
    (Watermark, watermark),
)

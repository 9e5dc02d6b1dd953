"""Which part of the image is shown, how large and which way up: crop, scale, turn, mirror, and what cover cuts away."""

from __future__ import annotations

from msgspec.structs import replace

from tintype.core.draft import Draft, Task, Turns
from tintype.core.geometry import Size, half_even, place, resampled, scaled, shrunk
from tintype.core.loading import Loaded
from tintype.core.pipeline import Anchor, Crop, Flip, Gravity, Orient, Resize
from tintype.core.plan import CropBox, Mirror, Scale, SmartCrop, Step, Turn
from tintype.core.policy import ShrinkTable


def crop(task: Task, draft: Draft) -> Step | None:
    """Take the asked part, where it is in the image as it was stored."""
    asked = task.pipeline.find(Crop)
    part = _crop_of(task.sizes.crop, task.loaded).turned(task.view.angle).within(draft.size)
    if asked is None or part == draft.size:
        return None
    if asked.gravity.anchor is Anchor.SMART:
        return SmartCrop(width=part.width, height=part.height)
    left, top = place(draft.size, part, task.view.stored(_loaded_gravity(asked.gravity, task)))
    return CropBox(left=left, top=top, width=part.width, height=part.height)


def _crop_of(asked: Size, by: Loaded) -> Size:
    """Return the crop in pixels of the image as decoded, upright."""
    return Size(
        max(1, shrunk(asked.width, by.shrink_x)) if asked.width else 0,
        max(1, shrunk(asked.height, by.shrink_y)) if asked.height else 0,
    )


def _loaded_gravity(gravity: Gravity, task: Task) -> Gravity:
    """Return the gravity with its offsets in pixels of the image as decoded; shares stay shares."""
    if gravity.anchor is Anchor.FOCUS:
        return gravity
    x, y = gravity.x, gravity.y
    return replace(
        gravity,
        x=float(half_even(x / task.loaded.shrink_x)) if abs(x) >= 1 else x,
        y=float(half_even(y / task.loaded.shrink_y)) if abs(y) >= 1 else y,
    )


def scale(task: Task, draft: Draft) -> Step | None:
    """Bring the part to its size."""
    shown = draft.size.turned(task.view.angle)
    target = _target(task)
    if target == shown:
        return None
    stored = target.turned(task.view.angle)
    return Scale(width=stored.width, height=stored.height, light=task.policy.light)


def _target(task: Task) -> Size:
    """Return the size to scale to: the one decided before decoding, whatever the decoder rounded.

    imgproxy multiplies what the decoder left of the crop instead, which may be a pixel off. What it would leave of the
    original counts, so that a result has its size whether there is a rung or not.
    """
    if task.policy.shrink_table != ShrinkTable.IMGPROXY:
        return task.sizes.scaled
    by, whole = task.original, task.original.size
    part = _crop_of(task.sizes.crop, by).within(whole)
    return Size(
        _scaled_again(part.width, whole.width, task.sizes.scale_x * by.shrink_x),
        _scaled_again(part.height, whole.height, task.sizes.scale_y * by.shrink_y),
    )


def _scaled_again(side: int, whole: int, by: float) -> int:
    return side if scaled(whole, by) == whole else resampled(side, by)


def turn(task: Task, _draft: Draft) -> Step | None:
    """Bring the image upright and turn it as asked. A turn by nothing still uses up the EXIF orientation."""
    view = task.view
    tagged = task.info.orientation > 1 and task.pipeline.find(Orient) is not None
    return Turn(angle=view.angle, mirror=view.mirror) if view.angle or view.mirror or tagged else None


def mirror(task: Task, _draft: Draft) -> Step | None:
    view = task.view
    return Mirror(horizontal=view.flip_x, vertical=view.flip_y) if view.flip_x or view.flip_y else None


def cut(task: Task, draft: Draft) -> Step | None:
    """Cut away what hangs over the resize box."""
    kept = task.sizes.keep.within(draft.size)
    if kept == draft.size:
        return None
    gravity = (task.pipeline.find(Resize) or Resize()).gravity
    if gravity.anchor is Anchor.SMART:
        return SmartCrop(width=kept.width, height=kept.height)
    left, top = place(draft.size, kept, gravity, task.sizes.dpr)
    return CropBox(left=left, top=top, width=kept.width, height=kept.height)


SHAPING: Turns = ((Crop, crop), (None, scale), (None, turn), (Flip, mirror), (None, cut))

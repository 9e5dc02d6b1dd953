"""How large the result and its parts are to be: the resize box, crops and canvases in pixels, before anything is loaded.

Sizes here are those of the upright image (oriented, then rotated as asked). The rules are imgproxy 4.0.12's.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from tintype.core.geometry import Size, crop_side, half_even, scaled
from tintype.core.pipeline import Crop, Extend, ExtendAspect, Fit, Pad, Pipeline, Resize

NOTHING = Size(0, 0)


class Wish(msgspec.Struct, frozen=True):
    """The ops that decide about sizes, with defaults for those not asked for."""

    resize: Resize
    crop: Crop
    pad: Pad
    extend: bool
    extend_aspect: bool
    vector: bool = False  # may be enlarged without loss
    limit_px: int = 0  # longest side of the result, 0 = any

    @classmethod
    def of(cls, pipeline: Pipeline, *, vector: bool = False, limit_px: int = 0) -> Wish:
        return cls(
            resize=_sane(pipeline.find(Resize) or Resize()),
            crop=pipeline.find(Crop) or Crop(),
            pad=pipeline.find(Pad) or Pad(),
            extend=pipeline.find(Extend) is not None,
            extend_aspect=pipeline.find(ExtendAspect) is not None,
            vector=vector,
            limit_px=limit_px,
        )


_MOST = 1e6
"""Ratios beyond a million, either way, ask for nothing that a million does not: a pixel, or more than is allowed."""


def _sane(resize: Resize) -> Resize:
    if 1 / _MOST <= resize.zoom_x <= _MOST and 1 / _MOST <= resize.zoom_y <= _MOST and 1 / _MOST <= resize.dpr <= _MOST:
        return resize
    zoom_x, zoom_y, dpr = (min(max(1 / _MOST, ratio), _MOST) for ratio in (resize.zoom_x, resize.zoom_y, resize.dpr))
    return replace(resize, zoom_x=zoom_x, zoom_y=zoom_y, dpr=dpr)


class Sizes(msgspec.Struct, frozen=True):
    """Everything that follows from a source's size and a wish. A side of 0 means: no wish about it.

    Attributes:
        source: the upright image. crop: the part to take first.
        scale_x, scale_y: what that part is scaled by. dpr: the effective pixel ratio.
        target: the resize box in pixels. scaled: the part after scaling. keep: what cover leaves of it.
        aspect: the canvas that has the box's aspect.
        reduction: by how much the whole image shrinks, on the side that shrinks less.
    """

    source: Size
    crop: Size
    scale_x: float
    scale_y: float
    dpr: float
    target: Size = NOTHING
    scaled: Size = NOTHING
    keep: Size = NOTHING
    aspect: Size = NOTHING
    reduction: float = 1.0

    @property
    def part(self) -> Size:
        """What is left to scale after the crop."""
        return self.crop.within(self.source)


def sizes_of(source: Size, wish: Wish) -> Sizes:
    """Decide all sizes for an upright image of size `source`."""
    crop = Size(crop_side(source.width, wish.crop.width), crop_side(source.height, wish.crop.height))
    shrink = _shrink(crop.within(source), wish)
    sizes = Sizes(source, crop, scale_x=1 / shrink.x, scale_y=1 / shrink.y, dpr=shrink.dpr)
    return _limited(_measured(sizes, wish), wish)


class _Shrink(msgspec.Struct, frozen=True):
    """How many source pixels become one, by axis, and the pixel ratio still to be divided by."""

    x: float
    y: float
    dpr: float = 1.0


def _shrink(part: Size, wish: Wish) -> _Shrink:
    shrink = _fitted(part, wish.resize)
    shrink = _Shrink(shrink.x / wish.resize.zoom_x, shrink.y / wish.resize.zoom_y, wish.resize.dpr)
    if not wish.resize.enlarge and not wish.vector:
        shrink = _not_enlarged(shrink, extend=wish.extend)
    shrink = _at_least(part, shrink, wish.resize)
    # At least one pixel is left on each side.
    return replace(
        shrink, x=min(shrink.x / shrink.dpr, float(part.width)), y=min(shrink.y / shrink.dpr, float(part.height))
    )


def _fitted(part: Size, resize: Resize) -> _Shrink:
    width, height = resize.width or part.width, resize.height or part.height
    x, y = part.width / width, part.height / height
    fit = _decided(resize.fit, part, Size(width, height))
    if fit is Fit.EXACT:
        return _Shrink(x, y)
    if not resize.width or not resize.height:
        x = y = x if resize.width else y
    x = y = max(x, y) if fit is Fit.CONTAIN else min(x, y)
    return _Shrink(x, y)


def _decided(fit: Fit, part: Size, box: Size) -> Fit:
    if fit is not Fit.AUTO:
        return fit
    same = (part.width >= part.height) == (box.width >= box.height)
    return Fit.COVER if same else Fit.CONTAIN


def _not_enlarged(shrink: _Shrink, *, extend: bool) -> _Shrink:
    """Keep the image from growing, and lower the pixel ratio instead."""
    smallest, dpr = min(shrink.x, shrink.y), shrink.dpr
    if smallest < 1:
        # The box is out of reach; a ratio below 1 must not lead further away from it. With a canvas extended to the
        # box the composition counts, and that has to look the same at any ratio.
        dpr = dpr if extend else dpr / smallest
        shrink = _Shrink(shrink.x / smallest, shrink.y / smallest)
    return replace(shrink, dpr=min(dpr, shrink.x, shrink.y))


def _at_least(part: Size, shrink: _Shrink, resize: Resize) -> _Shrink:
    """Let the smallest allowed sides win over the box; the aspect stays."""
    if not resize.min_width and not resize.min_height:
        return shrink
    x, y = shrink.x, shrink.y
    if resize.min_width and (most := part.width / resize.min_width) < x:
        x, y = most, y / (x / most)
    if resize.min_height and (most := part.height / resize.min_height) < y:
        x, y = x / (y / most), most
    return replace(shrink, x=x, y=y)


def _measured(sizes: Sizes, wish: Wish) -> Sizes:
    """Fill in the sizes that follow from the scales."""
    resize, part = wish.resize, sizes.part
    target = Size(
        scaled(resize.width, sizes.dpr * resize.zoom_x),
        scaled(resize.height, sizes.dpr * resize.zoom_y),
    )
    size = Size(scaled(part.width, sizes.scale_x), scaled(part.height, sizes.scale_y))
    down = resize.fit is Fit.COVER_DOWN and not resize.enlarge
    keep = _aspect_inside(size, target) if down else target
    aspect = _aspect_around(size.within(keep), target) if wish.extend_aspect else NOTHING
    whole = size
    if part != sizes.source:
        whole = Size(scaled(sizes.source.width, sizes.scale_x), scaled(sizes.source.height, sizes.scale_y))
    reduction = min(sizes.source.width / max(1, whole.width), sizes.source.height / max(1, whole.height))
    return replace(sizes, target=target, scaled=size, keep=keep, aspect=aspect, reduction=reduction)


def _aspect_inside(size: Size, box: Size) -> Size:
    """Return the box, or where the image does not reach it, the largest part of the image with the box's aspect."""
    across, down = box.width / size.width, box.height / size.height
    if across > down and across > 1:
        return Size(size.width, _follows(size.width, box.height, box.width))
    if down > across and down > 1:
        return Size(_follows(size.height, box.width, box.height), size.height)
    return box


def _aspect_around(size: Size, box: Size) -> Size:
    """Return the smallest canvas around an image that has the box's aspect; nothing if it has it already."""
    if not box.width or not box.height:
        return NOTHING
    across, down = box.width / size.width, box.height / size.height
    if down > across:
        return Size(size.width, _follows(size.width, box.height, box.width))
    if across > down:
        return Size(_follows(size.height, box.width, box.height), size.height)
    return NOTHING


def _follows(side: int, to: int, of: int) -> int:
    """Return the side that is to `side` as `to` is to `of`; at least a pixel, unless there is no wish about it."""
    return max(1, scaled(side, to / of)) if to else 0


def padding_px(pad: Pad, dpr: float) -> tuple[int, int, int, int]:
    """Return top, right, bottom, left in result pixels."""
    return half_even(pad.top * dpr), half_even(pad.right * dpr), half_even(pad.bottom * dpr), half_even(pad.left * dpr)


def _limited(sizes: Sizes, wish: Wish) -> Sizes:
    """Scale everything down so that no side of the result, canvas and padding included, is over the limit."""
    if not wish.limit_px:
        return sizes
    longest = max(_outer(sizes, wish))
    if longest <= wish.limit_px:
        return sizes
    down, part = wish.limit_px / longest, sizes.part
    smaller = replace(
        sizes,
        scale_x=max(sizes.scale_x * down, 1 / part.width),
        scale_y=max(sizes.scale_y * down, 1 / part.height),
        dpr=sizes.dpr * down,
    )
    return _measured(smaller, wish)


def _outer(sizes: Sizes, wish: Wish) -> Size:
    inner = sizes.scaled.within(sizes.keep)
    if wish.extend:
        inner = inner.covering(sizes.target)
    elif wish.extend_aspect:
        inner = inner.covering(sizes.aspect)
    top, right, bottom, left = padding_px(wish.pad, sizes.dpr)
    return Size(inner.width + left + right, inner.height + top + bottom)

"""Rounding, placing and turning: the arithmetic of boxes, without knowing what they are for. All sizes are pixels.

The rules are those of imgproxy 4.0.12, which users' layouts depend on: sizes round half away from zero, positions and
offsets half to even.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from tintype.core.pipeline import Anchor, Gravity


class Size(NamedTuple):
    width: int
    height: int

    def turned(self, angle: int) -> Size:
        """Return the size after a turn by a multiple of 90 degrees."""
        return Size(self.height, self.width) if angle % 180 else self

    def within(self, other: Size) -> Size:
        """Return the smaller of both on each side; 0 means no wish."""
        return Size(least(self.width, other.width), least(self.height, other.height))

    def covering(self, other: Size) -> Size:
        """Return the larger of both on each side."""
        return Size(max(self.width, other.width), max(self.height, other.height))

    @property
    def pixels(self) -> int:
        return self.width * self.height


_FAR = 1e9
"""Farther than any image reaches: where numbers end, so that absurd ones are refused by size and not by arithmetic."""


def _near(value: float) -> float:
    return min(max(-_FAR, value), _FAR)


def half_up(value: float) -> int:
    """Round half away from zero: how sizes round."""
    if not -_FAR < value < _FAR:
        value = _near(value)
    whole = int(value)
    over = value - whole
    if -0.5 < over < 0.5:
        return whole
    return whole + 1 if over > 0 else whole - 1


def half_even(value: float) -> int:
    """Round half to even: how positions and offsets round."""
    return round(value if -_FAR < value < _FAR else _near(value))


def scaled(side: int, scale: float) -> int:
    return half_up(side * scale)


def shrunk(side: int, shrink: float) -> int:
    return half_up(side / shrink)


def resampled(side: int, scale: float) -> int:
    """Return what libvips' resize makes of a side: at an exact half, the reciprocal it divides by decides."""
    return max(1, math.floor(_near(side / (1 / scale) if scale < 1 else side * scale) + 0.5))


def least(a: int, b: int) -> int:
    """Return the smaller of two sides, where 0 means no wish."""
    return min(a, b) if a and b else a or b


def crop_side(full: int, wanted: float) -> int:
    """Return the side of a crop in pixels: >= 1 pixels, below 1 a share of the full side, 0 no crop on this side."""
    if wanted >= 1:
        return int(_near(wanted))
    return max(1, scaled(full, wanted)) if wanted > 0 else 0


def offset_px(side: int, offset: float, offset_scale: float = 1.0) -> int:
    """Return an offset in pixels: of magnitude >= 1 pixels times `offset_scale`, below 1 a share of the side."""
    return half_even(offset * offset_scale) if abs(offset) >= 1 else half_even(side * offset)


# Which end of an axis an anchor holds on to: -1 the left or top, 1 the right or bottom, 0 the middle.
_SIDES: dict[Anchor, tuple[int, int]] = {
    Anchor.NORTH: (0, -1),
    Anchor.SOUTH: (0, 1),
    Anchor.EAST: (1, 0),
    Anchor.WEST: (-1, 0),
    Anchor.NORTH_EAST: (1, -1),
    Anchor.NORTH_WEST: (-1, -1),
    Anchor.SOUTH_EAST: (1, 1),
    Anchor.SOUTH_WEST: (-1, 1),
}


def place(
    frame: tuple[int, int],
    inner: tuple[int, int],
    gravity: Gravity,
    offset_scale: float = 1.0,
    *,
    overflow: bool = False,
) -> tuple[int, int]:
    """Return (left, top) of `inner` placed in `frame`, both (width, height).

    Args:
        frame: what it is placed in.
        inner: what is placed.
        gravity: anchor and offset; the offset moves away from the anchored edge. SMART and TILE count as the centre.
        offset_scale: the pixel ratio that offsets in pixels are multiplied by.
        overflow: let the inner box hang over the edge, with at least one pixel inside; otherwise it is kept inside.
    """
    left, top = (
        _place_side(frame[axis], inner[axis], _SIDES.get(gravity.anchor, (0, 0))[axis], offset, offset_scale)
        if gravity.anchor is not Anchor.FOCUS
        else half_even(frame[axis] * offset) - inner[axis] // 2
        for axis, offset in enumerate((gravity.x, gravity.y))
    )
    return _kept(left, frame[0], inner[0], overflow), _kept(top, frame[1], inner[1], overflow)


def _place_side(frame: int, inner: int, end: int, offset: float, offset_scale: float) -> int:
    shift = offset_px(frame, offset, offset_scale)
    if end < 0:
        return shift
    if end > 0:
        return frame - inner - shift
    return half_even((frame - inner + 1) / 2) + shift


def _kept(start: int, frame: int, inner: int, overflow: bool) -> int:
    low, high = (1 - inner, frame - 1) if overflow else (0, frame - inner)
    return max(low, min(start, high))


# EXIF orientation -> mirror left-right first, then turn clockwise by the angle.
_UPRIGHT: dict[int, tuple[bool, int]] = {
    2: (True, 0),
    3: (False, 180),
    4: (True, 180),
    5: (True, 270),
    6: (False, 90),
    7: (True, 90),
    8: (False, 270),
}


def upright(orientation: int) -> tuple[bool, int]:
    """Return (mirror, angle) that bring an image of this EXIF orientation upright; what EXIF does not define is upright."""
    return _UPRIGHT.get(orientation, (False, 0))


class View(NamedTuple):
    """How the stored image is shown: mirrored left-right, then turned clockwise, then flipped on either axis."""

    mirror: bool = False
    angle: int = 0
    flip_x: bool = False
    flip_y: bool = False

    def stored(self, gravity: Gravity) -> Gravity:
        """Return the gravity that means, in the stored image, what `gravity` means in the shown one."""
        x, y = _axes(gravity)
        x, y = x.flipped(self.flip_x), y.flipped(self.flip_y)
        match self.angle % 360:
            case 90:
                x, y = y, x.flipped()
            case 180:
                x, y = x.flipped(), y.flipped()
            case 270:
                x, y = y.flipped(), x
        return _gravity(gravity.anchor, x.flipped(self.mirror), y)


class _Axis(NamedTuple):
    """One axis of a gravity: the end it holds on to and the offset from there; a point on it for FOCUS."""

    end: int
    offset: float
    point: bool

    def flipped(self, really: bool = True) -> _Axis:
        if not really:
            return self
        if self.point:
            return self._replace(offset=1.0 - self.offset)
        return self._replace(end=-self.end, offset=self.offset if self.end else -self.offset)


def _axes(gravity: Gravity) -> tuple[_Axis, _Axis]:
    ends, point = _SIDES.get(gravity.anchor, (0, 0)), gravity.anchor is Anchor.FOCUS
    return _Axis(ends[0], gravity.x, point), _Axis(ends[1], gravity.y, point)


_ANCHORS = {sides: anchor for anchor, sides in _SIDES.items()}


def _gravity(anchor: Anchor, x: _Axis, y: _Axis) -> Gravity:
    """Put two axes together; an anchor that holds on to no end stays what it is."""
    return Gravity(anchor=_ANCHORS.get((x.end, y.end), anchor), x=x.offset, y=y.offset)

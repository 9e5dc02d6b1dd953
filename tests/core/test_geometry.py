"""Rounding, placing and turning, against tables and against a picture made of letters."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import gravities, sides
from tintype.core.geometry import (
    Size,
    View,
    crop_side,
    half_even,
    half_up,
    least,
    offset_px,
    place,
    resampled,
    scaled,
    shrunk,
    upright,
)
from tintype.core.pipeline import Anchor, Gravity


@pytest.mark.parametrize(
    ("value", "up", "even"),
    [(0.5, 1, 0), (1.5, 2, 2), (2.5, 3, 2), (-0.5, -1, 0), (-1.5, -2, -2), (2.4, 2, 2), (-2.6, -3, -3), (0, 0, 0)],
)
def test_sizes_round_away_from_zero_and_positions_to_even(value: float, up: int, even: int) -> None:
    assert (half_up(value), half_even(value)) == (up, even)


def test_rounding_is_not_fooled_by_the_largest_float_below_a_half() -> None:
    assert half_up(0.49999999999999994) == 0


@given(st.integers(0, 100_000), st.fractions(Fraction(1, 100), 100))
def test_scaling_is_exact_rounding(side: int, by: Fraction) -> None:
    assert abs(scaled(side, float(by)) - side * by) <= Fraction(1, 2) + Fraction(1, 10**6)
    assert abs(shrunk(side, float(by)) - side / by) <= Fraction(1, 2) + Fraction(1, 10**6)


@pytest.mark.parametrize(("side", "scale", "made"), [(264, 8 / 281.6, 7), (100, 0.5, 50), (3, 0.01, 1), (21, 2.0, 42)])
def test_libvips_rounds_an_exact_half_by_its_reciprocal(side: int, scale: float, made: int) -> None:
    assert resampled(side, scale) == made


@pytest.mark.parametrize(("a", "b", "smaller"), [(0, 5, 5), (5, 0, 5), (0, 0, 0), (3, 5, 3)])
def test_nought_is_no_wish(a: int, b: int, smaller: int) -> None:
    assert least(a, b) == smaller


@pytest.mark.parametrize(
    ("full", "wanted", "side"),
    [(1000, 0, 0), (1000, 300, 300), (1000, 300.9, 300), (1000, 0.25, 250), (3, 0.1, 1), (845, 0.5, 423), (10, 1, 1)],
)
def test_crop_sides(full: int, wanted: float, side: int) -> None:
    assert crop_side(full, wanted) == side


@pytest.mark.parametrize(
    ("offset", "scale", "px"), [(10, 1, 10), (10, 1.25, 12), (-1, 3, -3), (0.1, 3, 20), (-0.5, 1, -100), (0, 2, 0)]
)
def test_offsets_are_pixels_or_shares(offset: float, scale: float, px: int) -> None:
    assert offset_px(200, offset, scale) == px


@pytest.mark.parametrize(
    ("gravity", "left_top"),
    [
        (Gravity(), (50, 20)),
        (Gravity(x=7, y=-3), (57, 17)),
        (Gravity(anchor=Anchor.NORTH), (50, 0)),
        (Gravity(anchor=Anchor.NORTH, y=5), (50, 5)),
        (Gravity(anchor=Anchor.SOUTH, y=5), (50, 35)),
        (Gravity(anchor=Anchor.EAST, x=5), (95, 20)),
        (Gravity(anchor=Anchor.WEST, x=0.1), (20, 20)),
        (Gravity(anchor=Anchor.SOUTH_EAST, x=1, y=2), (99, 38)),
        (Gravity(anchor=Anchor.NORTH_WEST), (0, 0)),
        (Gravity(anchor=Anchor.NORTH_WEST, x=-9), (0, 0)),
        (Gravity(anchor=Anchor.SOUTH_EAST, x=-9), (100, 40)),
        (Gravity(anchor=Anchor.FOCUS, x=0.5, y=0.5), (50, 20)),
        (Gravity(anchor=Anchor.FOCUS, x=1, y=0), (100, 0)),
    ],
)
def test_places(gravity: Gravity, left_top: tuple[int, int]) -> None:
    assert place((200, 80), (100, 40), gravity) == left_top


@pytest.mark.parametrize(("frame", "inner", "at"), [(5, 2, 2), (6, 3, 2), (7, 4, 2), (8, 5, 2), (10, 1, 5), (4, 4, 0)])
def test_an_odd_centre_rounds_to_even(frame: int, inner: int, at: int) -> None:
    assert place((frame, frame), (inner, inner), Gravity()) == (at, at)


def test_overflow_leaves_a_pixel_inside() -> None:
    far = Gravity(anchor=Anchor.NORTH_WEST, x=-500, y=500)
    assert place((100, 100), (30, 30), far, overflow=True) == (-29, 99)
    assert place((100, 100), (130, 30), Gravity(), overflow=True) == (-14, 36)


def test_offsets_grow_with_the_pixel_ratio_and_shares_do_not() -> None:
    assert place((400, 400), (100, 100), Gravity(anchor=Anchor.NORTH_WEST, x=10, y=0.1), 2.0) == (20, 40)


@given(sides, sides, st.data(), gravities(), st.floats(0.1, 8), st.booleans())
def test_what_is_placed_is_inside(
    width: int, height: int, data: st.DataObject, gravity: Gravity, ratio: float, overflow: bool
) -> None:
    inner = data.draw(st.integers(1, width)), data.draw(st.integers(1, height))
    left, top = place((width, height), inner, gravity, ratio, overflow=overflow)
    if overflow:
        assert -inner[0] < left < width
        assert -inner[1] < top < height
    else:
        assert 0 <= left <= width - inner[0]
        assert 0 <= top <= height - inner[1]


# A picture of 3 x 2 letters, turned by hand, is what the eight EXIF orientations are checked against.
Picture = tuple[str, ...]
UPRIGHT: Picture = ("abc", "def")
STORED: dict[int, Picture] = {
    1: ("abc", "def"),
    2: ("cba", "fed"),
    3: ("fed", "cba"),
    4: ("def", "abc"),
    5: ("ad", "be", "cf"),
    6: ("cf", "be", "ad"),
    7: ("fc", "eb", "da"),
    8: ("da", "eb", "fc"),
}


def shown(picture: Picture, view: View) -> Picture:
    if view.mirror:
        picture = tuple(row[::-1] for row in picture)
    for _ in range(view.angle // 90):
        picture = tuple("".join(column) for column in zip(*picture[::-1], strict=True))
    if view.flip_x:
        picture = tuple(row[::-1] for row in picture)
    return picture[::-1] if view.flip_y else picture


def cut(picture: Picture, left: int, top: int, width: int, height: int) -> Picture:
    return tuple(row[left : left + width] for row in picture[top : top + height])


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_comes_upright(orientation: int) -> None:
    mirror, angle = upright(orientation)
    assert shown(STORED[orientation], View(mirror, angle)) == UPRIGHT


@pytest.mark.parametrize("orientation", [0, 9, -1, 255])
def test_an_unknown_orientation_is_upright(orientation: int) -> None:
    assert upright(orientation) == (False, 0)


views = st.builds(View, st.booleans(), st.sampled_from((0, 90, 180, 270)), st.booleans(), st.booleans())


@given(views, st.integers(1, 9), st.integers(1, 9), st.data(), gravities(smart=False))
def test_a_crop_of_the_stored_image_is_the_crop_of_the_shown_one(
    view: View, width: int, height: int, data: st.DataObject, gravity: Gravity
) -> None:
    letters = [chr(0x100 + i) for i in range(width * height)]
    stored = tuple("".join(letters[y * width : (y + 1) * width]) for y in range(height))
    whole = shown(stored, view)
    frame = Size(len(whole[0]), len(whole))
    part = Size(data.draw(st.integers(1, frame.width)), data.draw(st.integers(1, frame.height)))
    wanted = cut(whole, *place(frame, part, gravity), *part)

    there = part.turned(view.angle)
    got = shown(cut(stored, *place((width, height), there, view.stored(gravity)), *there), view)

    # Where an odd centre goes is decided in the stored image (see the table of odd centres), so that the shown box may
    # be off by up to two.
    at = {letter: (x, y) for y, row in enumerate(whole) for x, letter in enumerate(row)}
    (gx, gy), (wx, wy) = at[got[0][0]], at[wanted[0][0]]
    assert (len(got[0]), len(got)) == (len(wanted[0]), len(wanted))
    assert max(abs(gx - wx), abs(gy - wy)) <= 2


CORNERS = (Anchor.NORTH_EAST, Anchor.NORTH_WEST, Anchor.SOUTH_EAST, Anchor.SOUTH_WEST)


@given(views, st.sampled_from(CORNERS), st.integers(0, 3))
def test_a_crop_in_a_corner_is_exact(view: View, anchor: Anchor, offset: int) -> None:
    gravity = Gravity(anchor=anchor, x=float(offset), y=float(offset))
    stored = ("abcdefg", "hijklmn", "opqrstu", "vwxyzAB", "CDEFGHI")
    whole = shown(stored, view)
    frame, part = Size(len(whole[0]), len(whole)), Size(3, 3)
    there = part.turned(view.angle)
    got = shown(cut(stored, *place((7, 5), there, view.stored(gravity)), *there), view)
    assert got == cut(whole, *place(frame, part, gravity), *part)


@given(views, gravities())
def test_shares_and_anchors_survive_a_view_and_back(view: View, gravity: Gravity) -> None:
    stored = view.stored(gravity)
    if gravity.anchor is Anchor.FOCUS:
        assert 0 <= stored.x <= 1
        assert 0 <= stored.y <= 1
    assert (stored.anchor in (Anchor.CENTER, Anchor.SMART, Anchor.FOCUS)) == (
        gravity.anchor in (Anchor.CENTER, Anchor.SMART, Anchor.FOCUS)
    )

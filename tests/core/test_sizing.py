"""What fit, fill, cover, zoom, pixel ratio and limits mean, by table and by exact rational arithmetic."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.strategies import SOURCE, crops, pads, resizes, sides
from tintype.core.geometry import Size
from tintype.core.pipeline import Crop, Extend, ExtendAspect, Fit, Gravity, Op, Pad, Pipeline, Resize
from tintype.core.sizing import Sizes, Wish, padding_px, sizes_of

ONE = Fraction(1)
HALF = Fraction(1, 2) + Fraction(1, 10**6)


def sized(width: int, height: int, *ops: Op, vector: bool = False, limit_px: int = 0) -> Sizes:
    wish = Wish.of(Pipeline.of(SOURCE, *ops), vector=vector, limit_px=limit_px)
    return sizes_of(Size(width, height), wish)


def result(width: int, height: int, *ops: Op, limit_px: int = 0) -> Size:
    """Return the size after scaling and cutting, without canvases."""
    sizes = sized(width, height, *ops, limit_px=limit_px)
    return sizes.scaled.within(sizes.keep)


@pytest.mark.parametrize(
    ("resize", "size"),
    [
        (Resize(width=300), (300, 200)),
        (Resize(height=100), (150, 100)),
        (Resize(width=300, height=300), (300, 200)),
        (Resize(width=300, height=300, fit=Fit.COVER), (300, 300)),
        (Resize(width=300, height=300, fit=Fit.EXACT), (300, 300)),
        (Resize(width=300, fit=Fit.EXACT), (300, 400)),
        (Resize(width=300, height=200, fit=Fit.AUTO), (300, 200)),
        (Resize(width=300, height=250, fit=Fit.AUTO), (300, 250)),
        (Resize(width=200, height=300, fit=Fit.AUTO), (200, 133)),
        (Resize(width=1200, height=1200), (600, 400)),
        (Resize(width=1200, height=1200, enlarge=True), (1200, 800)),
        (Resize(width=1200, height=600, fit=Fit.COVER), (600, 400)),
        (Resize(width=1200, height=600, fit=Fit.COVER_DOWN), (600, 300)),
        (Resize(width=300, height=1200, fit=Fit.COVER_DOWN), (100, 400)),
        (Resize(width=1200, height=600, fit=Fit.COVER_DOWN, enlarge=True), (1200, 600)),
        (Resize(width=300, dpr=2), (600, 400)),
        (Resize(width=300, dpr=4), (600, 400)),
        (Resize(width=300, zoom_x=0.5, zoom_y=0.5), (150, 100)),
        (Resize(width=300, zoom_x=1, zoom_y=0.5), (300, 100)),
        (Resize(width=30, min_width=60), (60, 40)),
        (Resize(width=30, min_height=80), (120, 80)),
        (Resize(min_width=1200), (1200, 800)),
        (Resize(width=1, height=1), (1, 1)),
        (Resize(), (600, 400)),
    ],
)
def test_resizing_600_by_400(resize: Resize, size: tuple[int, int]) -> None:
    sizes = sized(600, 400, resize)
    if not (resize.min_width or resize.min_height):
        assert tuple(sizes.scaled.within(sizes.keep)) == size
    else:
        assert tuple(sizes.scaled) == size


def test_a_crop_comes_before_the_resize() -> None:
    crop = Crop(width=100, height=0.5)
    assert sized(600, 400, crop).part == (100, 200)
    assert result(600, 400, crop, Resize(width=50)) == (50, 100)
    assert result(600, 400, crop, Resize(width=500)) == (100, 200)


def test_a_crop_larger_than_the_image_is_no_crop() -> None:
    assert sized(60, 40, Crop(width=100, height=100)).part == (60, 40)


def test_vectors_may_be_enlarged() -> None:
    assert sized(60, 40, Resize(width=600), vector=True).scaled == (600, 400)


def test_a_pixel_ratio_that_cannot_be_reached_is_lowered() -> None:
    sizes = sized(600, 400, Resize(width=300, height=300, dpr=4))
    assert sizes.dpr == pytest.approx(2)
    assert sizes.target == (600, 600)


def test_an_extended_canvas_keeps_its_composition_at_any_ratio() -> None:
    sizes = sized(60, 40, Resize(width=100, height=100, dpr=0.5), Extend())
    assert sizes.dpr == pytest.approx(0.5)
    assert (sizes.scaled, sizes.target) == ((30, 20), (50, 50))


@pytest.mark.parametrize(
    ("box", "canvas"), [((300, 300), (300, 300)), ((300, 200), (0, 0)), ((100, 300), (100, 300)), ((0, 100), (0, 0))]
)
def test_the_canvas_of_an_aspect(box: tuple[int, int], canvas: tuple[int, int]) -> None:
    resize = Resize(width=box[0], height=box[1])
    assert sized(600, 400, resize, ExtendAspect()).aspect == canvas


def test_padding_rounds_half_to_even() -> None:
    assert padding_px(Pad(top=1, right=3, bottom=5, left=7), 1.5) == (2, 4, 8, 10)


@pytest.mark.parametrize(
    ("ops", "size"),
    [
        ((Resize(width=300),), (90, 60)),
        ((Resize(width=50),), (50, 33)),
        ((Resize(width=300, height=300, fit=Fit.COVER),), (90, 90)),
        ((), (90, 60)),
    ],
)
def test_no_side_is_over_the_limit(ops: tuple[Op, ...], size: tuple[int, int]) -> None:
    assert result(600, 400, *ops, limit_px=90) == size


def test_the_limit_counts_canvas_and_padding() -> None:
    ops = (Resize(width=300, height=300), Extend(), Pad(top=100, right=100, bottom=100, left=100))
    sizes = sized(600, 400, *ops, limit_px=100)
    assert sizes.target == (60, 60)
    assert padding_px(Pad(top=100), sizes.dpr)[0] == 20


boxes = st.integers(1, 3000)


@given(sides, sides, boxes, boxes, st.booleans())
def test_contain_is_exactly_the_largest_image_in_the_box(w: int, h: int, bw: int, bh: int, enlarge: bool) -> None:
    scale = min(Fraction(bw, w), Fraction(bh, h))
    if not enlarge:
        scale = min(scale, Fraction(1))
    width, height = sized(w, h, Resize(width=bw, height=bh, enlarge=enlarge)).scaled
    assert abs(width - max(ONE, w * scale)) <= HALF
    assert abs(height - max(ONE, h * scale)) <= HALF
    assert enlarge or (width <= w and height <= h)
    assert width <= bw
    assert height <= bh


@given(sides, sides, boxes, boxes)
def test_cover_is_exactly_the_smallest_image_around_the_box(w: int, h: int, bw: int, bh: int) -> None:
    scale = max(Fraction(bw, w), Fraction(bh, h))
    sizes = sized(w, h, Resize(width=bw, height=bh, fit=Fit.COVER, enlarge=True))
    assert abs(sizes.scaled.width - w * scale) <= HALF
    assert abs(sizes.scaled.height - h * scale) <= HALF
    assert sizes.scaled.within(sizes.keep) == (bw, bh)


@given(sides, sides, boxes, boxes)
def test_cover_without_enlarging_never_leaves_the_image_or_the_box(w: int, h: int, bw: int, bh: int) -> None:
    sizes = sized(w, h, Resize(width=bw, height=bh, fit=Fit.COVER))
    width, height = sizes.scaled.within(sizes.keep)
    assert 1 <= width <= min(w, bw)
    assert 1 <= height <= min(h, bh)


@given(sides, sides, boxes, boxes)
def test_cover_down_keeps_the_aspect_of_the_box(w: int, h: int, bw: int, bh: int) -> None:
    sizes = sized(w, h, Resize(width=bw, height=bh, fit=Fit.COVER_DOWN))
    width, height = sizes.scaled.within(sizes.keep)
    # One side follows from the other by the box's aspect, but for rounding and for the last pixel.
    follows = (
        abs(width - max(ONE, Fraction(height * bw, bh))),
        abs(height - max(ONE, Fraction(width * bh, bw))),
    )
    assert min(follows) <= HALF


@given(sides, sides, boxes, boxes)
def test_exact_is_the_box(w: int, h: int, bw: int, bh: int) -> None:
    assert sized(w, h, Resize(width=bw, height=bh, fit=Fit.EXACT, enlarge=True)).scaled == (bw, bh)


@given(sides, sides, boxes)
def test_one_side_gives_the_other(w: int, h: int, bw: int) -> None:
    width, height = sized(w, h, Resize(width=bw, enlarge=True)).scaled
    assert width == bw
    assert abs(height - max(ONE, Fraction(h * bw, w))) <= HALF


@given(sides, sides, resizes, crops, pads, st.integers(1, 2000))
def test_nothing_is_ever_empty(w: int, h: int, resize: Resize, crop: Crop, pad: Pad, limit: int) -> None:
    sizes = sized(w, h, resize, crop, pad, Extend(gravity=Gravity()), limit_px=limit)
    assert min(sizes.part) >= 1
    assert min(sizes.scaled) >= 1
    assert min(sizes.scaled.within(sizes.keep)) >= 1
    assert sizes.dpr > 0

"""What is refused before a pixel is touched, and what the refusal says."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from tests.core.strategies import SOURCE
from tintype.core.bounds import bounded, check_source
from tintype.core.errors import BadRequest, BrokenImage, ImageTooLarge
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import Bounds, Crop, Extend, Fit, Op, Pad, Pipeline, Resize, Rotate
from tintype.core.policy import Policy
from tintype.core.resolve import resolve

DEFAULT = Policy()
NO_BOUNDS = Bounds()
BIG = ImageInfo(format=Format.JPEG, width=10_000, height=6_000)
GIF = ImageInfo(format=Format.GIF, width=1000, height=1000, frames=100)
SVG = ImageInfo(format=Format.SVG, width=100_000, height=100_000)


def test_a_source_over_the_bound_is_refused_with_both_numbers() -> None:
    with pytest.raises(ImageTooLarge, match=r"10000x6000, 60\.0 megapixels; at most 50 are allowed"):
        check_source(BIG, 1, Policy())
    check_source(BIG, 1, Policy(source_pixels=60_000_000))


def test_a_source_of_few_pixels_and_many_rows_is_refused() -> None:
    with pytest.raises(ImageTooLarge, match="2x8388610; at most 250000 pixels a side"):
        check_source(replace(BIG, width=2, height=8_388_610), 1, Policy())
    check_source(replace(BIG, width=250_000, height=2), 1, Policy())


def test_a_result_of_few_pixels_and_many_rows_is_refused() -> None:
    tall = Resize(width=1, height=250_001, fit=Fit.EXACT, enlarge=True)
    with pytest.raises(BadRequest, match="250001 pixels a side"):
        resolve(Pipeline.of(SOURCE, tall), replace(BIG, width=10, height=10, format=Format.PNG), Offer(), DEFAULT)


def test_the_frames_of_an_animation_count_together() -> None:
    check_source(GIF, 50, Policy())
    with pytest.raises(ImageTooLarge, match="in 51 frames"):
        check_source(GIF, 51, Policy())


def test_a_bound_on_one_frame_replaces_that_on_all() -> None:
    check_source(GIF, 100, Policy(frame_pixels=1_000_000))
    with pytest.raises(ImageTooLarge, match="a frame of the animation"):
        check_source(GIF, 100, Policy(frame_pixels=999_999))
    check_source(GIF, 1, Policy(frame_pixels=999_999))


def test_a_vector_is_bounded_by_what_is_rendered() -> None:
    check_source(SVG, 1, Policy())


@pytest.mark.parametrize("lie", [{"width": 0}, {"height": -1}, {"frames": 0}])
def test_an_image_without_pixels_is_broken(lie: dict[str, int]) -> None:
    with pytest.raises(BrokenImage):
        check_source(replace(BIG, **lie), 1, Policy())


def test_a_trusted_url_sets_bounds_for_itself() -> None:
    own = Bounds(source_pixels=1, frames=2, frame_pixels=3, result_side_px=4)
    policy = bounded(Policy(), own)
    assert (policy.source_pixels, policy.frames, policy.frame_pixels, policy.result_side_px) == (1, 2, 3, 4)
    assert bounded(Policy(), Bounds()) == Policy()


def resolved(info: ImageInfo, *ops: Op, policy: Policy = DEFAULT, bounds: Bounds = NO_BOUNDS) -> tuple[int, int]:
    plan = resolve(Pipeline.of(SOURCE, *ops, bounds=bounds), info, Offer(), policy)
    return plan.width, plan.height


def test_bounds_of_the_url_are_those_that_count() -> None:
    with pytest.raises(ImageTooLarge):
        resolved(replace(BIG, width=1000), bounds=Bounds(source_pixels=10))
    assert resolved(BIG, Resize(width=10), bounds=Bounds(source_pixels=100_000_000)) == (10, 6)
    assert resolved(BIG, Resize(width=100), bounds=Bounds(source_pixels=100_000_000, result_side_px=50)) == (50, 30)


SMALL = ImageInfo(format=Format.PNG, width=1000, height=10)


@pytest.mark.parametrize(
    "ops",
    [
        (Resize(width=60_000, height=60_000, enlarge=True, min_height=60_000),),
        (Pad(top=9_999_999),),
        (Resize(width=30_000, height=30_000), Extend()),
        (Resize(width=10, min_height=5_000),),  # small in the end, but not on its way
    ],
)
def test_a_result_over_the_bound_is_refused_wherever_it_grows(ops: tuple[Op, ...]) -> None:
    with pytest.raises(BadRequest, match=r"megapixels; at most 200 are allowed: ask for less"):
        resolved(SMALL, *ops)


def test_no_bound_on_results() -> None:
    assert resolved(SMALL, Pad(top=999_990), policy=Policy(result_pixels=0, side_px=0)) == (1000, 1_000_000)


def test_an_allowed_source_may_be_larger_than_a_result() -> None:
    policy = Policy(source_pixels=100_000_000, result_pixels=1_000_000)
    assert resolved(BIG, Rotate(), Crop(width=0.9), Resize(width=100), policy=policy) == (100, 185)


def test_frames_multiply_the_result() -> None:
    policy = Policy(frames=100, source_pixels=200_000_000, result_pixels=100_000_000)
    assert resolved(GIF, policy=policy) == (1000, 1000)
    with pytest.raises(BadRequest, match="in 100 frames"):
        resolved(GIF, Pad(top=1), policy=policy)


def test_a_vector_cannot_be_rendered_larger_than_a_result() -> None:
    with pytest.raises(BadRequest):
        resolved(SVG, Resize(width=90_000), policy=Policy(rasterize_svg=True))

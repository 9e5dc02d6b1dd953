"""How far decoders scale down, by the measured table and by imgproxy's."""

from __future__ import annotations

import pytest
from hypothesis import given
from msgspec.structs import replace

from tests.core.strategies import SOURCE, infos, policies, resizes
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.info import ImageInfo
from tintype.core.loading import Loaded, first_load, scale_on_load
from tintype.core.pipeline import Pipeline, Resize
from tintype.core.policy import Policy, ShrinkTable
from tintype.core.sizing import Wish, sizes_of

MEASURED = Policy()
IMGPROXY = Policy(shrink_table=ShrinkTable.IMGPROXY)
PHOTO = ImageInfo(format=Format.JPEG, width=4000, height=3000)
WEBP = ImageInfo(format=Format.WEBP, width=1001, height=677)
HEIC = ImageInfo(format=Format.HEIC, width=4000, height=3000, thumbnail_width=400, thumbnail_height=300)
DRAWING = ImageInfo(format=Format.SVG, width=100, height=50, alpha=True)


def decoded(info: ImageInfo, policy: Policy, resize: Resize, *, angle: int = 0, thumbnail: bool = False) -> Loaded:
    load = first_load(info, policy, thumbnail=thumbnail)
    wish = Wish.of(Pipeline.of(SOURCE, resize), vector=info.vector)
    sizes = sizes_of(Size(load.width, load.height).turned(angle), wish)
    return scale_on_load(load, sizes, info, policy, angle=angle)


@pytest.mark.parametrize(
    ("width", "measured", "imgproxy"),
    [
        (4000, 1, 1),
        (2001, 1, 1),
        (2000, 1, 2),
        (1601, 1, 2),
        (1600, 2, 2),
        (1001, 2, 2),
        (1000, 2, 4),
        (501, 2, 4),
        (500, 2, 8),
        (334, 2, 8),
        (333, 4, 8),
        (248, 8, 8),
        (10, 8, 8),
    ],
)
def test_jpegs_of_cameras_shrink(width: int, measured: int, imgproxy: int) -> None:
    resize = Resize(width=width)
    assert decoded(PHOTO, MEASURED, resize).load.shrink == measured
    assert decoded(PHOTO, IMGPROXY, resize).load.shrink == imgproxy


@pytest.mark.parametrize(("width", "shrink"), [(342, 1), (341, 2), (171, 2), (170, 4), (86, 4), (85, 8)])
def test_jpegs_that_were_reduced_before_shrink_later(width: int, shrink: int) -> None:
    info = replace(PHOTO, width=2048, height=1536)
    assert decoded(info, MEASURED, Resize(width=width)).load.shrink == shrink


def test_a_shrunk_jpeg_loses_its_last_partial_blocks() -> None:
    odd = replace(PHOTO, width=4007, height=3001)
    load = decoded(odd, IMGPROXY, Resize(width=500)).load
    assert (load.width, load.height, load.shrink) == (500, 375, 8)


def test_the_side_that_shrinks_less_decides() -> None:
    assert decoded(PHOTO, IMGPROXY, Resize(width=100, min_height=1600)).load.shrink == 1


def test_the_ratios_are_those_of_the_upright_image() -> None:
    done = decoded(replace(PHOTO, width=4001), IMGPROXY, Resize(width=750), angle=90)
    assert done.size == (750, 1000)
    assert (done.shrink_x, done.shrink_y) == (4.0, 4.001)


def test_webp_scales_to_the_target_or_what_is_too_large_to_be_held_to_twice_of_it() -> None:
    assert decoded(WEBP, IMGPROXY, Resize(width=300)).size == (300, 203)
    assert decoded(WEBP, MEASURED, Resize(width=200)).load.scale == 1.0
    large = replace(WEBP, width=8008, height=5416)
    assert decoded(large, MEASURED, Resize(width=2400)).load.scale == 1.0
    assert decoded(large, MEASURED, Resize(width=1600)).size == (3200, 2164)


@pytest.mark.parametrize("policy", [IMGPROXY, MEASURED])
def test_webp_that_is_reduced_far_is_decoded_as_a_draft(policy: Policy) -> None:
    drafts = [decoded(info, policy, Resize(width=width)).load.draft for info in (WEBP, PHOTO) for width in (390, 410)]
    assert drafts == [True, False, False, False]


def test_a_frame_of_an_animated_webp_is_not_scaled() -> None:
    assert decoded(replace(WEBP, frames=5), IMGPROXY, Resize(width=100)).load.scale == 1.0


def test_scaling_while_decoding_can_be_off() -> None:
    off = replace(IMGPROXY, shrink_on_load=False)
    assert decoded(PHOTO, off, Resize(width=100)).load.shrink == 1
    assert decoded(DRAWING, off, Resize(width=50)).load.scale == 0.5


def test_vectors_are_rendered_at_their_target() -> None:
    assert decoded(DRAWING, MEASURED, Resize(width=300)).load.scale == 3.0
    assert decoded(DRAWING, MEASURED, Resize(width=300)).size == (300, 150)
    assert decoded(DRAWING, MEASURED, Resize()).load.scale == 1.0


def test_a_huge_vector_starts_at_what_a_source_may_have() -> None:
    huge = replace(DRAWING, width=100_000, height=50_000)
    load = first_load(huge, MEASURED)
    assert load.width * load.height <= MEASURED.source_pixels * 1.001
    assert decoded(huge, MEASURED, Resize(width=1000)).size == (1000, 500)


def test_thumbnails_are_taken_when_enforced_or_large_enough() -> None:
    small = Resize(width=300)
    assert not decoded(HEIC, MEASURED, small).load.thumbnail
    assert decoded(HEIC, IMGPROXY, small).load.thumbnail
    assert decoded(HEIC, IMGPROXY, small).size == (400, 300)
    assert not decoded(HEIC, IMGPROXY, Resize(width=500)).load.thumbnail
    enforced = decoded(HEIC, MEASURED, Resize(width=2000), thumbnail=True)
    assert enforced.load.thumbnail
    assert enforced.size == (400, 300)


def test_what_has_no_thumbnail_is_loaded_whole() -> None:
    assert not first_load(replace(HEIC, thumbnail_width=0), MEASURED, thumbnail=True).thumbnail


@given(infos(vectors=False), policies, resizes)
def test_a_decoder_never_makes_an_image_larger_nor_an_empty_one(
    info: ImageInfo, policy: Policy, resize: Resize
) -> None:
    load = decoded(info, policy, resize).load
    assert 1 <= load.width <= info.width
    assert 1 <= load.height <= info.height


@given(infos(vectors=False), resizes)
def test_the_measured_table_leaves_enough_to_reduce(info: ImageInfo, resize: Resize) -> None:
    load = decoded(info, MEASURED, resize).load
    sizes = sizes_of(Size(info.width, info.height), Wish.of(Pipeline.of(SOURCE, resize)))
    if load.shrink > 1:
        least = 3 if not info.soft else 2 if load.shrink > 2 else 1.25
        assert load.width >= least * (sizes.scaled.width - 1)
        assert load.height >= least * (sizes.scaled.height - 1)

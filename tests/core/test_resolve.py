"""Plans: the steps of typical requests, and what holds for every request whatsoever."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.strategies import SOURCE, infos, offers, pipelines, policies
from tintype.core.errors import BadRequest, ImageError, ImageTooLarge
from tintype.core.formats import FACTS, Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import (
    Anchor,
    Background,
    Blur,
    Bounds,
    Color,
    Crop,
    Extend,
    ExtendAspect,
    Fit,
    Flip,
    Gravity,
    Op,
    Orient,
    Output,
    Pad,
    Pipeline,
    Pixelate,
    Resize,
    Rotate,
    Sharpen,
    Trim,
    Watermark,
)
from tintype.core.plan import (
    BlurStep,
    Canvas,
    CropBox,
    Flatten,
    Load,
    Mirror,
    Overlay,
    PixelateStep,
    Plan,
    Rest,
    Scale,
    SharpenStep,
    SmartCrop,
    Step,
    ToWorking,
    TrimBorder,
    Turn,
)
from tintype.core.policy import Light, Policy, ShrinkTable
from tintype.core.resolve import resolve, resolve_rest

DEFAULT = Policy()
ANYONE = Offer()
PHOTO = ImageInfo(format=Format.JPEG, width=800, height=600)
PNG = ImageInfo(format=Format.PNG, width=800, height=600, alpha=True)
GIF = ImageInfo(format=Format.GIF, width=80, height=60, frames=10)
SVG = ImageInfo(format=Format.SVG, width=80, height=60, alpha=True)
WHITE = Color(r=255, g=255, b=255)
IMGPROXY = Policy(shrink_table=ShrinkTable.IMGPROXY)


def planned(info: ImageInfo, *ops: Op, policy: Policy = DEFAULT, offer: Offer = ANYONE, **output: Any) -> Plan:
    return resolve(Pipeline.of(SOURCE, *ops, output=Output(**output)), info, offer, policy)


def steps(info: ImageInfo, *ops: Op, policy: Policy = DEFAULT, **output: Any) -> tuple[Step, ...]:
    first, *rest = planned(info, *ops, policy=policy, **output).steps
    assert isinstance(first, ToWorking)
    return tuple(rest)


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        ((), ()),
        ((Resize(width=400),), (Scale(width=400, height=300),)),
        ((Resize(width=800),), ()),
        (
            (Resize(width=300, height=300, fit=Fit.COVER),),
            (Scale(width=400, height=300), CropBox(left=50, top=0, width=300, height=300)),
        ),
        (
            (Resize(width=300, height=300, fit=Fit.COVER, gravity=Gravity(anchor=Anchor.EAST, x=10)),),
            (Scale(width=400, height=300), CropBox(left=90, top=0, width=300, height=300)),
        ),
        (
            (Resize(width=150, height=150, fit=Fit.COVER, dpr=2, gravity=Gravity(anchor=Anchor.EAST, x=10)),),
            (Scale(width=400, height=300), CropBox(left=80, top=0, width=300, height=300)),
        ),
        (
            (Resize(width=300, height=300, fit=Fit.COVER, gravity=Gravity(anchor=Anchor.SMART)),),
            (Scale(width=400, height=300), SmartCrop(width=300, height=300)),
        ),
        ((Crop(width=0.5, height=100),), (CropBox(left=200, top=250, width=400, height=100),)),
        ((Crop(width=100, height=50, gravity=Gravity(anchor=Anchor.SMART)),), (SmartCrop(width=100, height=50),)),
        ((Crop(width=900, height=0),), ()),
        (
            (Crop(width=400, height=400), Resize(width=200)),
            (CropBox(left=200, top=100, width=400, height=400), Scale(width=200, height=200)),
        ),
        ((Rotate(angle=90), Resize(width=300)), (Scale(width=400, height=300), Turn(angle=90))),
        (
            (Rotate(angle=90), Crop(width=600, height=100, gravity=Gravity(anchor=Anchor.NORTH))),
            (CropBox(left=0, top=0, width=100, height=600), Turn(angle=90)),
        ),
        ((Flip(horizontal=True),), (Mirror(horizontal=True),)),
        (
            (Flip(horizontal=True), Crop(width=100, height=600, gravity=Gravity(anchor=Anchor.EAST))),
            (CropBox(left=0, top=0, width=100, height=600), Mirror(horizontal=True)),
        ),
        (
            (Blur(sigma=2), Sharpen(sigma=1), Pixelate(size=8)),
            (BlurStep(sigma=2), SharpenStep(sigma=1), PixelateStep(size=8)),
        ),
        ((Pixelate(size=1),), ()),
        ((Orient(),), ()),
        ((Background(),), ()),
    ],
)
def test_steps_of_a_photo(ops: tuple[Op, ...], expected: tuple[Step, ...]) -> None:
    assert steps(PHOTO, *ops) == expected


@pytest.mark.parametrize(
    ("ops", "expected"),
    [
        (
            (Resize(width=400, height=400), Extend()),
            (Scale(width=400, height=300), Canvas(width=400, height=400, left=0, top=50)),
        ),
        (
            (Resize(width=400, height=400), ExtendAspect(gravity=Gravity(anchor=Anchor.NORTH))),
            (Scale(width=400, height=300), Canvas(width=400, height=400, left=0, top=0)),
        ),
        (
            (Resize(width=200, dpr=2), Pad(top=1, right=2, bottom=3, left=4)),
            (Scale(width=400, height=300), Canvas(width=412, height=308, left=8, top=2)),
        ),
        ((Background(color=Color()),), (Flatten(color=Color()),)),
        (
            (Pad(top=1), Background(color=Color(r=1))),
            (Canvas(width=800, height=601, left=0, top=1), Flatten(color=Color(r=1))),
        ),
    ],
)
def test_steps_with_transparency(ops: tuple[Op, ...], expected: tuple[Step, ...]) -> None:
    assert steps(PNG, *ops) == expected


def test_a_format_without_alpha_gets_white_behind() -> None:
    assert steps(PNG, format=Format.JPEG) == (Flatten(color=WHITE),)
    assert steps(PHOTO, Pad(top=1), format=Format.JPEG)[-1] == Flatten(color=WHITE)
    assert steps(PHOTO, Pad(top=1), format=Format.PNG)[-1] == Canvas(width=800, height=601, left=0, top=1)


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, ()),
        (2, (Turn(angle=0, mirror=True),)),
        (3, (Turn(angle=180),)),
        (5, (Turn(angle=270, mirror=True),)),
        (6, (Turn(angle=90),)),
        (8, (Turn(angle=270),)),
    ],
)
def test_orientation_is_one_turn(orientation: int, turn: tuple[Step, ...]) -> None:
    info = replace(PHOTO, orientation=orientation)
    assert steps(info, Orient()) == turn
    assert steps(info) == ()


def test_orientation_and_rotation_are_one_turn() -> None:
    assert steps(replace(PHOTO, orientation=6), Orient(), Rotate(angle=270)) == (Turn(),)  # the tag is used up
    assert steps(replace(PHOTO, orientation=6), Orient(), Rotate(angle=90)) == (Turn(angle=180),)


def test_the_target_box_is_that_of_the_upright_image() -> None:
    plan = planned(replace(PHOTO, orientation=6), Orient(), Resize(width=300))
    assert plan.steps[1:] == (Scale(width=400, height=300), Turn(angle=90))
    assert (plan.width, plan.height) == (300, 400)


def test_the_size_of_a_crop_does_not_depend_on_the_decoder_by_the_measured_table() -> None:
    info, crop, resize = (
        replace(PHOTO, width=4000, height=3000),
        Crop(width=0, height=845),
        Resize(width=500, height=500),
    )
    shrunk = planned(info, crop, resize)
    whole = planned(info, crop, resize, policy=Policy(shrink_on_load=False))
    assert shrunk.load.shrink > 1
    assert (shrunk.width, shrunk.height) == (whole.width, whole.height)


def test_crop_and_offsets_count_source_pixels_after_scaling_on_load() -> None:
    info = replace(PHOTO, width=4000, height=3000)
    gravity = Gravity(anchor=Anchor.NORTH_WEST, x=100, y=0.5)
    plan = planned(info, Crop(width=2000, height=1000, gravity=gravity), Resize(width=250), policy=IMGPROXY)
    assert plan.load.shrink == 8
    assert plan.steps[1] == CropBox(left=12, top=188, width=250, height=125)


@pytest.mark.parametrize(
    ("kind", "side", "width"),
    [(Format.WEBP, 20_000, 16383), (Format.AVIF, 20_000, 16384), (Format.ICO, 500, 256), (Format.PNG, 20_000, 20_000)],
)
def test_results_are_clamped_to_their_format(kind: Format, side: int, width: int) -> None:
    plan = planned(ImageInfo(format=Format.PNG, width=side, height=100), format=kind)
    assert plan.width == width
    assert isinstance(plan.steps[-1], Scale) == (side != width)


def test_a_tiny_avif_is_a_png_or_jpeg_instead() -> None:
    assert planned(PHOTO, Resize(width=10), format=Format.AVIF).save.format is Format.JPEG
    assert planned(PNG, Resize(width=10), format=Format.AVIF).save.format is Format.PNG
    assert planned(PNG, Resize(width=10), Background(), format=Format.AVIF).save.format is Format.JPEG


def test_animations_are_loaded_as_far_as_allowed() -> None:
    allowed = Policy(frames=4)
    assert planned(GIF, policy=allowed).load.frames == 4
    assert planned(GIF, policy=allowed).save.animated
    assert planned(GIF, policy=allowed, format=Format.PNG).load.frames == 1
    assert planned(GIF).load.frames == 1
    assert not planned(GIF).save.animated


def test_animations_are_not_trimmed() -> None:
    plan = planned(GIF, Trim(), Resize(width=40), policy=Policy(frames=4))
    assert plan.rest is None
    assert plan.steps[1:] == (Scale(width=40, height=30),)
    assert planned(GIF, Trim()).rest is not None


def test_linear_light_is_announced_when_something_is_scaled() -> None:
    linear = Policy(light=Light.LINEAR)
    assert planned(PHOTO, Resize(width=40), policy=linear).steps == (
        ToWorking(light=Light.LINEAR),
        Scale(width=40, height=30, light=Light.LINEAR),
    )
    assert planned(PHOTO, policy=linear).steps == (ToWorking(light=Light.GAMMA),)


def test_profiles_are_kept_where_there_is_one_and_the_format_can() -> None:
    info = replace(PHOTO, profile=True)
    assert planned(info, strip_color_profile=False).steps == (ToWorking(keep_profile=True),)
    assert planned(PHOTO, strip_color_profile=False).steps == (ToWorking(),)
    assert planned(info, strip_color_profile=False, format=Format.GIF).steps == (ToWorking(),)
    assert planned(info).steps == (ToWorking(),)


def test_depth_is_kept_from_working_space_to_save() -> None:
    plan = planned(replace(PNG, bits=16), preserve_hdr=True)
    assert plan.steps == (ToWorking(keep_depth=True),)
    assert plan.save.keep_depth


MARKED = Policy(watermark=True, watermark_opacity=0.5)


def test_the_watermark_is_fitted_to_the_result() -> None:
    mark = Watermark(opacity=0.5, gravity=Gravity(anchor=Anchor.SOUTH_EAST, x=10, y=0.1), scale=0.25)
    assert steps(PHOTO, Resize(width=200, dpr=2), mark, policy=MARKED)[-1] == Overlay(
        input=1, opacity=0.25, anchor="south-east", x=10, y=0.1, fit_width=100, fit_height=75, offset_scale=2.0
    )


def test_a_watermark_can_be_tiled_and_can_be_nothing() -> None:
    tiled = steps(PHOTO, Watermark(gravity=Gravity(anchor=Anchor.TILE, x=3)), policy=MARKED)[-1]
    assert isinstance(tiled, Overlay)
    assert (tiled.tile, tiled.fit_width) == (True, 0)
    assert steps(PHOTO, Watermark(opacity=0), policy=MARKED) == ()
    assert steps(PHOTO, Watermark()) == ()


def test_a_source_handed_on_has_no_steps_but_is_checked() -> None:
    plan = planned(SVG)
    assert (plan.passthrough, plan.steps, plan.save.format, plan.save.sanitize) == (True, (), Format.SVG, True)
    assert not planned(SVG, policy=Policy(sanitize_svg=False)).save.sanitize
    turned = planned(replace(PHOTO, orientation=6), passthrough=(Format.JPEG,))
    assert (turned.passthrough, turned.width, turned.height) == (True, 600, 800)
    with pytest.raises(ImageTooLarge):
        planned(PHOTO, passthrough=(Format.JPEG,), policy=Policy(source_pixels=10))


def test_a_vector_is_rendered_and_not_scaled() -> None:
    plan = planned(SVG, Resize(width=800), format=Format.PNG)
    assert plan.load == Load(format=Format.SVG, width=800, height=600, scale=10.0)
    assert plan.steps == (ToWorking(),)


# Trim: a plan in two parts.


def trimmed(info: ImageInfo, *ops: Op, policy: Policy = DEFAULT, **output: Any) -> Rest:
    plan = planned(info, Trim(threshold=7, color=Color(g=1)), *ops, policy=policy, **output)
    assert plan.load.shrink == 1
    assert plan.steps == (ToWorking(light=Light.GAMMA), TrimBorder(threshold=7, color=Color(g=1)))
    assert plan.rest is not None
    return plan.rest


def test_after_a_trim_the_rest_is_decided_on_what_is_left() -> None:
    rest = resolve_rest(trimmed(PHOTO, Crop(width=0.5), Resize(width=50)), 400, 200)
    assert rest.steps == (CropBox(left=100, top=0, width=200, height=200), Scale(width=50, height=50))
    assert (rest.width, rest.height) == (50, 50)
    assert rest.rest is None


def test_the_rest_turns_the_trimmed_image_upright() -> None:
    rest = resolve_rest(trimmed(replace(PHOTO, orientation=6), Orient(), Resize(width=100)), 400, 200)
    assert rest.steps == (Scale(width=200, height=100), Turn(angle=90))
    assert (rest.width, rest.height) == (100, 200)


def test_a_trimmed_image_is_neither_vector_nor_scaled_on_load() -> None:
    rest = resolve_rest(trimmed(SVG, Resize(width=800), format=Format.PNG), 40, 30)
    assert rest.steps == ()
    assert rest.load == Load(format=Format.SVG, width=40, height=30)


def test_the_rest_may_be_too_small_for_avif() -> None:
    rest = trimmed(PNG, format=Format.AVIF)
    assert resolve_rest(rest, 15, 100).save.format is Format.PNG
    assert resolve_rest(rest, 16, 100).save.format is Format.AVIF


def test_the_rest_needs_no_offer() -> None:
    policy = Policy(auto_formats=(Format.WEBP,), client_hints=True)
    offer = Offer(accepts=(Format.WEBP,), width=100, dpr=2)
    plan = planned(PHOTO, Trim(), policy=policy, offer=offer)
    assert plan.rest is not None
    assert plan.rest.offer == Offer()
    rest = resolve_rest(plan.rest, 400, 300)
    assert (rest.save.format, rest.width, rest.dpr) == (Format.WEBP, 100, 2.0)


def test_the_rest_obeys_the_bounds() -> None:
    rest = trimmed(PHOTO, Resize(width=15_000, enlarge=True))
    assert resolve_rest(rest, 100, 10).width == 15_000
    with pytest.raises(BadRequest, match="at most 200"):
        resolve_rest(rest, 10, 100)


# What holds for every plan. The walk is written again here, on purpose: it is what plans promise to the worker.


def follow(load: Load, steps: tuple[Step, ...]) -> tuple[int, int]:
    """Follow the image through the steps, checking that each can be done to what it meets."""
    width, height = load.width, load.height
    for step in steps:
        match step:
            case CropBox():
                assert step.width >= 1
                assert step.height >= 1
                assert step.left >= 0
                assert step.top >= 0
                assert step.left + step.width <= width
                assert step.top + step.height <= height
                assert (step.width, step.height) != (width, height)
                width, height = step.width, step.height
            case SmartCrop():
                assert 1 <= step.width <= width
                assert 1 <= step.height <= height
                width, height = step.width, step.height
            case Scale():
                assert step.width >= 1
                assert step.height >= 1
                assert (step.width, step.height) != (width, height)
                width, height = step.width, step.height
            case Turn():
                assert step.angle in (0, 90, 180, 270)
                width, height = (height, width) if step.angle % 180 else (width, height)
            case Canvas():
                assert step.left >= 0
                assert step.top >= 0
                assert step.left + width <= step.width
                assert step.top + height <= step.height
                width, height = step.width, step.height
            case _:
                pass
    return width, height


ORDER = (
    (ToWorking,),
    (TrimBorder,),
    (CropBox, SmartCrop),
    (Scale,),
    (Turn,),
    (Mirror,),
    (CropBox, SmartCrop),
    (BlurStep,),
    (SharpenStep,),
    (PixelateStep,),
    (Canvas,),
    (Canvas,),
    (Canvas,),
    (Scale,),
    (Flatten,),
    (Overlay,),
)


def in_order(steps: tuple[Step, ...]) -> bool:
    places = iter(ORDER)
    return all(any(isinstance(step, kinds) for kinds in places) for step in steps)


def check(plan: Plan, policy: Policy) -> None:
    assert in_order(plan.steps)
    assert follow(plan.load, plan.steps) == (plan.width, plan.height) or plan.rest or plan.passthrough
    assert min(plan.width, plan.height) >= 1
    facts = FACTS[plan.save.format]
    assert plan.passthrough or not facts.max_side_px or max(plan.width, plan.height) <= facts.max_side_px
    pixels = plan.width * plan.height * plan.load.frames
    assert not policy.result_pixels or pixels <= policy.result_pixels or plan.rest or plan.passthrough
    assert plan.load.frames <= max(1, policy.frames)
    assert plan.cost.cpu_ms > 0
    assert plan.cost.peak_bytes > 0


@settings(max_examples=600)
@given(pipelines(), infos(), offers, policies)
def test_every_box_is_inside_the_image_it_meets(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy
) -> None:
    try:
        plan = resolve(pipeline, info, offer, policy)
    except (ImageError, BadRequest):
        return
    check(plan, policy)
    if policy.result_side_px and not plan.passthrough and not pipeline.find(Resize):
        # Rounding of paddings and of the last pixel aside, the limit holds.
        assert max(plan.width, plan.height) <= policy.result_side_px + 4


@settings(max_examples=300)
@given(pipelines(trimming=True), infos(), offers, policies, st.data())
def test_and_so_is_every_box_after_a_trim(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy, data: st.DataObject
) -> None:
    try:
        plan = resolve(pipeline, info, offer, policy)
        if plan.rest is None:
            return
        width = data.draw(st.integers(1, plan.load.width))
        height = data.draw(st.integers(1, plan.load.height))
        rest = resolve_rest(plan.rest, width, height)
    except (ImageError, BadRequest):
        return
    assert (rest.load.width, rest.load.height) == (width, height)
    check(rest, policy)


@given(pipelines(), infos(), offers, policies)
def test_the_decoder_changes_no_size_by_the_measured_table(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy
) -> None:
    policy = replace(policy, shrink_table=ShrinkTable.MEASURED)
    try:
        plan = resolve(pipeline, info, offer, policy)
        whole = resolve(pipeline, info, offer, replace(policy, shrink_on_load=False))
    except (ImageError, BadRequest):
        return
    assert (plan.width, plan.height) == (whole.width, whole.height)


@given(pipelines(), infos(), offers, policies)
def test_the_same_request_is_the_same_plan(pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy) -> None:
    try:
        plans = [resolve(pipeline, info, offer, policy) for _ in range(2)]
    except (ImageError, BadRequest):
        return
    assert all(a == b for a, b in pairwise(plans))


def test_bounds_of_the_pipeline_replace_those_of_the_policy() -> None:
    pipeline = Pipeline.of(SOURCE, bounds=Bounds(frames=3))
    assert resolve(pipeline, GIF, Offer(), Policy()).load.frames == 3


anything = st.floats() | st.sampled_from((1e308, 1e-308, 5e-324, 1e18, 0.0))
any_side = st.integers(0, 10**15)
any_gravity = st.builds(Gravity, anchor=st.sampled_from(Anchor), x=anything, y=anything)
absurd = st.builds(
    lambda *ops: ops,
    st.builds(Crop, width=anything, height=anything, gravity=any_gravity),
    st.builds(
        Resize,
        width=any_side,
        height=any_side,
        fit=st.sampled_from(Fit),
        enlarge=st.booleans(),
        gravity=any_gravity,
        zoom_x=anything,
        zoom_y=anything,
        dpr=anything,
        min_width=any_side,
        min_height=any_side,
    ),
    st.builds(Extend, gravity=any_gravity),
    st.builds(ExtendAspect, gravity=any_gravity),
    st.builds(Pad, top=any_side, left=any_side),
    st.builds(Watermark, opacity=anything, gravity=any_gravity, scale=anything),
)


@settings(max_examples=300)
@given(absurd, infos(), policies)
def test_absurd_numbers_are_refused_and_not_stumbled_over(ops: tuple[Op, ...], info: ImageInfo, policy: Policy) -> None:
    for chosen in (ops, ops[:2]):
        try:
            plan = resolve(Pipeline.of(SOURCE, *chosen), info, Offer(), policy)
        except (ImageError, BadRequest):
            continue
        check(plan, policy)

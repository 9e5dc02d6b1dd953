"""Which results that are kept can stand in for one that cannot be made, and what is less of a lighter policy."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.degrade import Degraded, Kept, Wish, lighter, shape_of, stand_ins
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.pipeline import (
    Anchor,
    Background,
    Blur,
    Crop,
    Extend,
    Fit,
    Flip,
    Gravity,
    Op,
    Output,
    Pad,
    Pipeline,
    Pixelate,
    Resize,
    Sharpen,
    SourceRef,
    Trim,
    Watermark,
)
from tintype.core.policy import Light, Policy

ALL = tuple(Degraded)
WISH = Wish("u", "s", Size(100, 75), (Format.WEBP,))


def kept(
    key: str = "k", asked: str = "v", shape: str = "s", size: tuple[int, int] = (200, 150), **more: object
) -> Kept:
    return Kept(key, asked, shape, more.pop("format", Format.JPEG), Size(*size), **more)  # type: ignore[arg-type]


def pipeline(*ops: Op, output: Output | None = None) -> Pipeline:
    return Pipeline.of(SourceRef(url="http://o/a.jpg"), *ops, output=output)


def keys(of: list[Kept], wish: Wish = WISH, allowed: tuple[str, ...] = ALL) -> list[tuple[Degraded, str]]:
    return [(step, one.key) for step, one in stand_ins(of, wish, allowed)]


def test_an_older_result_of_the_url_comes_before_larger_ones_and_the_nearest_of_these_first() -> None:
    of = [kept("far", size=(400, 300)), kept("near", size=(120, 90)), kept("old", asked="u", size=(100, 75))]
    assert keys(of)[0] == (Degraded.STALE, "old")
    assert keys(of[:2]) == [(Degraded.LARGER, "near"), (Degraded.LARGER, "far")]


@pytest.mark.parametrize(
    ("one", "will_do"),
    [
        (kept(), True),
        (kept(size=(100, 75)), True),
        (kept(size=(99, 75)), False),  # smaller
        (kept(size=(200, 149)), True),  # rounded
        (kept(size=(200, 140)), False),  # another aspect
        (kept(size=(400, 300)), True),
        (kept(size=(404, 303)), False),  # more than four times the sides
        (kept(shape="other"), False),
        (kept(shape=""), False),
        (kept(format=Format.WEBP), True),
        (kept(format=Format.AVIF), False),  # the client has not said that it takes it
    ],
)
def test_what_may_stand_in_for_a_smaller_one(one: Kept, will_do: bool) -> None:
    assert bool(keys([one])) is will_do


def test_what_was_less_before_is_still_called_so() -> None:
    assert keys([kept(asked="u", degraded=Degraded.EFFORT)]) == [(Degraded.EFFORT, "k"), (Degraded.LARGER, "k")]


@pytest.mark.parametrize("allowed", [(), ("format", "effort"), ("larger",), ("stale",)])
def test_only_what_is_allowed(allowed: tuple[str, ...]) -> None:
    of = [kept("old", asked="u", shape=""), kept("large")]
    wanted = {"stale": (Degraded.STALE, "old"), "larger": (Degraded.LARGER, "large")}
    assert keys(of, allowed=allowed) == [wanted[name] for name in allowed if name in wanted]


def test_without_a_size_or_a_shape_nothing_is_larger() -> None:
    assert keys([kept()], WISH._replace(size=None)) == []
    assert keys([kept(shape="")], WISH._replace(shape="")) == []


@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
    st.tuples(st.integers(1, 5000), st.integers(1, 5000)),
)
def test_a_stand_in_is_never_smaller_nor_of_another_aspect(size: tuple[int, int], wanted: tuple[int, int]) -> None:
    if keys([kept(size=size)], WISH._replace(size=Size(*wanted))):
        assert size[0] >= wanted[0]
        assert size[1] >= wanted[1]
        times = size[0] / wanted[0], size[1] / wanted[1]
        assert max(times) <= 4
        # Shown in place of it, a side is off by a pixel at most.
        assert abs(size[0] / times[1] - wanted[0]) <= 1.5 or abs(size[1] / times[0] - wanted[1]) <= 1.5


@given(st.integers(1, 2000), st.integers(1, 2000), st.floats(1, 4))
def test_the_same_picture_in_a_larger_size_will_do(width: int, height: int, times: float) -> None:
    size = (round(width * times), round(height * times))
    if max(size[0] / width, size[1] / height) <= 4:
        assert keys([kept(size=size)], WISH._replace(size=Size(width, height)))


SIZES = [Resize(width=100), Resize(width=300, height=200), Resize(height=7, dpr=2.0, zoom_x=2.0, min_width=5)]


@pytest.mark.parametrize("ops", [(), (Flip(horizontal=True),), (Background(),), (Crop(width=100, height=50),)])
def test_sizes_of_one_picture_have_one_shape(ops: tuple[Op, ...]) -> None:
    assert len({shape_of(pipeline(*ops, size)) for size in SIZES} | {shape_of(pipeline(*ops))}) == 1
    assert shape_of(pipeline(*ops)) != ""


@pytest.mark.parametrize(
    "other",
    [
        pipeline(Resize(width=100, fit=Fit.COVER)),
        pipeline(Resize(width=100), Flip(vertical=True)),
        pipeline(Resize(width=100), output=Output(quality=50)),
        pipeline(Resize(width=100), output=Output(format=Format.WEBP)),
        pipeline(Resize(width=100, gravity=Gravity(anchor=Anchor.FOCUS, x=0.1, y=0.1))),
    ],
)
def test_another_picture_has_another_shape(other: Pipeline) -> None:
    assert shape_of(other) not in ("", shape_of(pipeline(Resize(width=100))))


@pytest.mark.parametrize(
    "op",
    [
        Blur(sigma=3),
        Sharpen(sigma=1),
        Pixelate(size=8),
        Pad(top=1),
        Extend(),
        Watermark(),
        Trim(),
        Resize(width=9, gravity=Gravity(x=20)),
    ],
)
def test_what_counts_in_pixels_of_the_result_has_no_shape(op: Op) -> None:
    """A larger one shows more: what was blurred or pixelated could be read in it."""
    assert shape_of(pipeline(op)) == ""


def test_a_lighter_policy_takes_less_and_shapes_nothing_else() -> None:
    usual = Policy(light=Light.LINEAR, webp_effort=4, avif_speed=6, quality=70)
    light = lighter(usual)
    assert (light.light, light.webp_effort, light.avif_speed) == (Light.GAMMA, 0, 9)
    assert lighter(light) == light
    assert (light.quality, light.ladder, light.jxl_effort) == (usual.quality, usual.ladder, usual.jxl_effort)

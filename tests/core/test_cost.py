"""Predicted cost: complete, monotone, and of the right order."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.strategies import SOURCE
from tintype.core import cost_table
from tintype.core.cost import cost_of
from tintype.core.formats import LOADABLE, SAVABLE, Format
from tintype.core.info import ImageInfo, Space
from tintype.core.offer import Offer
from tintype.core.pipeline import Blur, Op, Output, Pipeline, Resize, Trim
from tintype.core.plan import Cost, Plan, Step
from tintype.core.policy import Light, Policy, ShrinkTable
from tintype.core.resolve import resolve
from tintype.engine.settings import EngineSettings

PHOTO = ImageInfo(format=Format.JPEG, width=4000, height=3000)


def planned(info: ImageInfo, *ops: Op, policy: Policy | None = None, kind: Format | None = None) -> Plan:
    return resolve(Pipeline.of(SOURCE, *ops, output=Output(format=kind)), info, Offer(), policy or Policy())


def cost(info: ImageInfo, *ops: Op, policy: Policy | None = None, kind: Format | None = None) -> Cost:
    return planned(info, *ops, policy=policy, kind=kind).cost


def test_the_table_is_complete() -> None:
    assert set(cost_table.DECODE) == LOADABLE
    assert set(cost_table.ENCODE) == SAVABLE
    assert set(cost_table.STEPS) == {step.__name__ for step in get_args(Step)}


def test_a_camera_photo_costs_tens_of_milliseconds() -> None:
    found = cost(PHOTO, Resize(width=512))
    assert 30 < found.cpu_ms < 150
    assert found.peak_bytes < 100_000_000


@pytest.mark.parametrize("width", [100, 512, 4000])
def test_all_scans_of_a_photo_are_read_and_held_whatever_is_made_of_it(width: int) -> None:
    baseline, progressive = (cost(replace(PHOTO, progressive=scans), Resize(width=width)) for scans in (False, True))
    assert progressive.cpu_ms - baseline.cpu_ms == pytest.approx(144, abs=0.2)
    assert progressive.peak_bytes - baseline.peak_bytes == 72_000_000


def test_a_giant_in_many_scans_is_heavy() -> None:
    policy = Policy(source_pixels=150_000_000)
    giant = replace(PHOTO, width=8_000, height=6_000)
    costs = [
        cost(replace(giant, progressive=scans), Resize(width=512), policy=policy).cpu_ms for scans in (False, True)
    ]
    assert costs[0] < EngineSettings().heavy_ms < costs[1]


def test_the_cost_of_a_plan_does_not_count_for_itself() -> None:
    plan = planned(PHOTO, Resize(width=512))
    assert cost_of(replace(plan, cost=Cost(cpu_ms=9, peak_bytes=9)), PHOTO) == plan.cost


@given(st.integers(100, 4000), st.integers(100, 4000))
def test_a_larger_source_costs_no_less(a: int, b: int) -> None:
    small, large = sorted((a, b))
    costs = [
        cost(replace(PHOTO, format=Format.PNG, width=side, height=side), Resize(width=50)) for side in (small, large)
    ]
    assert costs[0].cpu_ms <= costs[1].cpu_ms
    assert costs[0].peak_bytes <= costs[1].peak_bytes


def test_dear_things_are_dear() -> None:
    plain = cost(PHOTO, Resize(width=512)).cpu_ms
    assert cost(PHOTO, Resize(width=512), kind=Format.AVIF).cpu_ms > plain
    assert cost(PHOTO, Resize(width=512), Blur(sigma=5)).cpu_ms > plain
    assert cost(PHOTO, Resize(width=512), Trim()).cpu_ms > 10 * plain
    assert cost(PHOTO, Resize(width=512), policy=Policy(light=Light.LINEAR)).cpu_ms > plain
    assert cost(replace(PHOTO, space=Space.CMYK), Resize(width=512)).cpu_ms > plain
    assert cost(replace(PHOTO, profile=True), Resize(width=512)).cpu_ms > plain
    assert cost(PHOTO).cpu_ms > plain
    png = replace(PHOTO, format=Format.PNG)
    assert cost(replace(png, alpha=True), Resize(width=512)).cpu_ms > cost(png, Resize(width=512)).cpu_ms


def test_effort_counts() -> None:
    fast, slow = (cost(PHOTO, policy=Policy(avif_speed=speed), kind=Format.AVIF).cpu_ms for speed in (9, 5))
    assert slow > 3 * fast


def test_a_trim_holds_the_whole_image() -> None:
    assert cost(PHOTO, Trim()).peak_bytes > cost(PHOTO, Resize(width=512)).peak_bytes + 30_000_000


def test_frames_multiply() -> None:
    gif = ImageInfo(format=Format.GIF, width=400, height=300, frames=20)
    still, moving = cost(gif, policy=Policy()), cost(gif, policy=Policy(frames=20))
    assert moving.cpu_ms > 15 * still.cpu_ms
    assert moving.peak_bytes > still.peak_bytes


def test_webp_that_is_scaled_once_it_is_decoded_is_held_whole() -> None:
    imgproxy = Policy(shrink_table=ShrinkTable.IMGPROXY)
    pipeline = Pipeline.of(SOURCE, Resize(width=512))
    held = resolve(pipeline, ImageInfo(format=Format.WEBP, width=4000, height=3000), Offer(), imgproxy)
    assert held.load.scale < 1
    assert held.cost.peak_bytes > 36_000_000


def test_handing_on_is_cheap() -> None:
    assert cost(ImageInfo(format=Format.SVG, width=4000, height=4000)).cpu_ms <= 5


@pytest.mark.parametrize("kind", sorted(LOADABLE))
def test_every_source_has_a_price(kind: Format) -> None:
    found = cost(replace(PHOTO, format=kind), Resize(width=100), kind=Format.PNG)
    assert found.cpu_ms > 1
    assert found.peak_bytes > 0

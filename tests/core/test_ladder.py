"""The ladder: which rungs a source may have, when a result is made from one, and that it is the same result by size."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.strategies import SOURCE, infos, offers, pipelines, policies
from tintype.core.errors import TintypeError
from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.info import ImageInfo
from tintype.core.ladder import MARGIN, Forgone, due, ladder_of, rung_size
from tintype.core.offer import Offer
from tintype.core.pipeline import Crop, Fit, Op, Output, Pipeline, Resize, Trim
from tintype.core.plan import FAST, Average, Plan, Rung, ToWorking, plan_key
from tintype.core.policy import Light, Policy
from tintype.core.resolve import resolve, resolve_rung, resolve_ways
from tintype.core.walk import walk

DEFAULT = Policy()
PHOTO = ImageInfo(format=Format.JPEG, width=4000, height=3000)
(RUNG,) = ladder_of(PHOTO, DEFAULT)


def planned(*ops: Op, info: ImageInfo = PHOTO, rungs: tuple[Rung, ...] = (RUNG,), **output: object) -> Plan:
    pipeline = Pipeline.of(SOURCE, *ops, output=Output(**output))  # type: ignore[arg-type]
    return resolve(pipeline, info, Offer(), DEFAULT, rungs)


def test_a_photo_has_a_lossy_rung_and_what_may_be_flat_or_transparent_a_lossless_one() -> None:
    assert Rung(side=1024, format=Format.JPEG, quality=92) == RUNG
    for info in (replace(PHOTO, format=Format.PNG), replace(PHOTO, format=Format.WEBP, alpha=True)):
        assert [rung.format for rung in ladder_of(info, DEFAULT)] == [Format.PNG]


@pytest.mark.parametrize(
    "info",
    [
        replace(PHOTO, width=2000, height=1500),  # the rung would have more than half of its sides
        replace(PHOTO, width=20_000, height=9),  # a box of the rung would be higher
        replace(PHOTO, frames=3, format=Format.WEBP),
        replace(PHOTO, bits=16, format=Format.PNG),
        replace(PHOTO, format=Format.SVG),
        replace(PHOTO, format=Format.GIF),
    ],
    ids=["small", "thin", "animated", "deep", "vector", "palette"],
)
def test_sources_without_a_ladder(info: ImageInfo) -> None:
    assert ladder_of(info, DEFAULT) == ()
    assert planned(Resize(width=100), info=info).load.rung is None


def test_a_result_is_made_from_the_smallest_rung_that_is_large_enough() -> None:
    policy = Policy(ladder=(2000, 500, 1000))
    rungs = ladder_of(PHOTO, policy)
    assert [rung.side for rung in rungs] == [500, 1000, 2000]

    def side(width: int, there: tuple[Rung, ...] = rungs) -> int:
        plan = resolve(Pipeline.of(SOURCE, Resize(width=width)), PHOTO, Offer(), policy, there)
        return plan.load.rung.side if plan.load.rung else 0

    assert [side(w) for w in (100, 400, 401, 800, 801, 1600, 1601)] == [500, 500, 1000, 1000, 2000, 2000, 0]
    assert side(100, rungs[1:]) == 1000
    assert side(100, (replace(rungs[0], quality=50),)) == 0  # made under other settings


def test_the_decoder_scales_a_rung_too() -> None:
    assert planned(Resize(width=100)).load.shrink == 2  # a rung is sharp: a half from 6 times on; 1000 / 100 is 10
    assert planned(Resize(width=100), rungs=()).load.shrink == 8


def test_what_needs_the_original_is_made_from_it() -> None:
    assert planned(Resize(width=100), Trim(threshold=10)).load.rung is None
    assert planned(Resize(width=100), info=replace(PHOTO, profile=True), strip_color_profile=False).load.rung is None
    assert planned(Resize(width=100), info=replace(PHOTO, profile=True)).load.rung == RUNG
    assert planned(Crop(width=400, height=400), Resize(width=400)).load.rung is None


def test_which_rung_is_used_is_part_of_the_key() -> None:
    plans = [planned(Resize(width=100), rungs=rungs) for rungs in ((), (RUNG,), (replace(RUNG, quality=80),))]
    keys = [plan_key("t", ("d" * 64,), plan, 1) for plan in plans]
    assert keys[0] != keys[1]
    assert keys[0] == keys[2]  # a rung that nobody would make today is not used


def test_a_rung_is_written_fast_in_srgb_with_its_metadata_and_lies_as_the_original_does() -> None:
    plan = resolve_rung(RUNG, replace(PHOTO, orientation=6, profile=True))
    assert (plan.width, plan.height) == (1000, 750)
    assert plan.rung == RUNG
    assert (plan.save.format, plan.save.quality, plan.save.effort) == (Format.JPEG, 92, FAST)
    assert not plan.save.strip_metadata
    assert plan.save.strip_color_profile
    assert (plan.load.shrink, plan.load.width) == (2, 2000)
    assert plan.steps == (ToWorking(light=Light.LINEAR), Average(width=1000, height=750, box=2))


@pytest.mark.parametrize(
    ("width", "longest"),
    [(2048, 1024), (3000, 1500), (3072, 768), (4000, 1000), (4032, 1008), (5472, 912), (6000, 1000), (8192, 1024)],
)
def test_a_rung_is_what_whole_boxes_make_of_the_sizes_that_cameras_have(width: int, longest: int) -> None:
    assert max(rung_size(replace(PHOTO, width=width, height=width * 3 // 4), RUNG)) == longest


SAVINGS = st.lists(st.floats(0, 1000), min_size=1, max_size=6)
FORGONE = st.builds(Forgone, st.integers(0, 50), st.floats(0, 10_000))
PRICES = st.floats(1, 2000)


def test_when_a_rung_is_made() -> None:
    """A rung of 45 ms, results that each would be 20 ms less."""
    assert not due(Forgone(), [20], 45)
    assert not due(Forgone(1, 20), [20], 45)
    assert due(Forgone(2, 40), [20], 45)
    assert not due(Forgone(1, 200), [200], 45)  # the second that comes alone, whatever it would save
    assert not due(Forgone(), [20, 20], 45)
    assert due(Forgone(), [20, 20, 20], 45)
    assert due(Forgone(1, 20), [20, 20], 45)
    assert not due(Forgone(20, 40), [4], 45)  # small savings take longer


@given(st.lists(SAVINGS, min_size=1, max_size=30), PRICES)
def test_a_rung_is_made_with_the_first_results_that_pay_for_it(asked: list[list[float]], price: float) -> None:
    before = Forgone()
    for savings in asked:
        total = before.plus(savings)
        if due(before, savings, price):
            assert total.ms >= price
            assert total.uses >= 3 or len(savings) > 1
            return
        assert total.ms < price or (total.uses < 3 and len(savings) == 1)
        before = total
    assert before.uses == sum(map(len, asked))
    assert before.ms == pytest.approx(sum(map(sum, asked)))


@given(FORGONE, SAVINGS, PRICES, st.floats(0, 100))
def test_more_to_save_never_puts_a_rung_off(before: Forgone, savings: list[float], price: float, more: float) -> None:
    if due(before, savings, price):
        assert due(before._replace(ms=before.ms + more), savings, price)
        assert due(before._replace(uses=before.uses + 1), savings, price)
        assert due(before, [*savings, more], price)


@pytest.mark.parametrize("light", Light)
@pytest.mark.parametrize("width", [160, 320, 640, 800])
def test_a_result_of_a_photo_saves_less_than_a_rung_costs_and_three_pay_for_it(width: int, light: Light) -> None:
    policy = Policy(light=light)
    asked = Pipeline.of(SOURCE, Resize(width=width))
    costs = [resolve(asked, PHOTO, Offer(), policy, rungs).cost.cpu_ms for rungs in ((), (RUNG,))]
    price = resolve_rung(RUNG, PHOTO).cost.cpu_ms
    assert price / 3 <= costs[0] - costs[1] < price


SIDES = st.integers(1, 20_000)


@given(SIDES, SIDES, st.integers(16, 4096), st.sampled_from([Format.JPEG, Format.PNG]))
def test_a_rung_has_the_size_that_plans_count_on_and_whole_boxes(
    width: int, height: int, side: int, format: Format
) -> None:
    info = ImageInfo(format=format, width=width, height=height)
    policy = Policy(ladder=(side,), source_pixels=20_000**2)
    for rung in ladder_of(info, policy):
        plan = resolve_rung(rung, info)
        size = rung_size(info, rung)
        assert Size(plan.width, plan.height) == size == list(walk(plan.load, plan.steps))[-1][2]
        assert side * 3 / 4 - 1 <= max(size) <= side * 3 / 2
        assert max(size) * 2 <= max(width, height)
        for step in plan.steps[1:]:
            assert isinstance(step, Average)
            assert step.width * step.box <= plan.load.width
            assert step.height * step.box <= plan.load.height


@given(pipelines(), infos(), offers, policies)
def test_a_result_has_its_size_whatever_it_is_made_from(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy
) -> None:
    policy = replace(policy, ladder=(64, 300))
    try:
        plain = resolve(pipeline, info, offer, policy)
    except TintypeError as error:
        with pytest.raises(type(error)):
            resolve(pipeline, info, offer, policy, ladder_of(info, policy))
        return
    plan = resolve(pipeline, info, offer, policy, ladder_of(info, policy))
    if plan.load.rung is None:
        assert plan == plain
        return
    assert plan.save == plain.save
    assert (plan.width, plan.height) == (plain.width, plain.height)


@given(pipelines(), infos(), offers, policies)
def test_both_ways_are_what_is_decided_for_each(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy
) -> None:
    policy = replace(policy, ladder=(64, 300))
    try:
        ways = resolve_ways(pipeline, info, offer, policy)
    except TintypeError:
        return
    assert ways.plan == resolve(pipeline, info, offer, policy)
    assert (ways.low or ways.plan) == resolve(pipeline, info, offer, policy, ladder_of(info, policy))
    assert ways.ladder == (() if ways.plan.passthrough else ladder_of(info, policy))


@given(st.integers(1, 4000), st.sampled_from(list(Fit)))
def test_no_result_is_larger_than_its_rung_allows(width: int, fit: Fit) -> None:
    plan = planned(Resize(width=width, fit=fit))
    assume(plan.load.rung is not None)
    assert width * MARGIN <= 1024

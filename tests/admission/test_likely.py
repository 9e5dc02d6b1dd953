"""What is likely taken by what only a URL is known of."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Asker
from tintype.admission.costs.likely import Likely
from tintype.admission.remembered import REMEMBERED
from tintype.core.formats import Format
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef


def asks(url: str, width: int = 160, *, tenant: str = "a", dpr: float = 1.0, format: Format | None = None) -> Asker:
    ops = [Resize(width=width, dpr=dpr)] if width else []
    return Asker(tenant, pipeline=Pipeline.of(SourceRef(url=url), *ops, output=Output(format=format)))


THUMBNAIL, GIANT = asks("https://pictures/a/1.jpg"), asks("https://pictures/a/2.AVIF?size=large.jpg", 1280)
TOOK = st.lists(st.floats(0, 1e6), max_size=100)
ASKERS = st.builds(
    asks,
    st.sampled_from(["https://x/1.jpg", "https://y/1.jpg", "local:///1.png", "https://y/v1.0/name", "http://[x/1.gif"]),
    st.sampled_from([0, 160, 1280]),
    tenant=st.sampled_from("bc"),
)


def learnt(likely: Likely, asker: Asker, *took_ms: float) -> Likely:
    for one in took_ms:
        likely.learn(asker, one)
    return likely


def learnt_in_turn(times: int, *took: tuple[Asker, float]) -> Likely:
    likely = Likely(50.0)
    for asker, took_ms in took * times:
        likely.learn(asker, took_ms)
    return likely


def test_thumbnails_are_not_charged_for_what_giants_take() -> None:
    likely = learnt_in_turn(30, (THUMBNAIL, 8.0), (GIANT, 1000.0))
    assert likely.ms(THUMBNAIL) == pytest.approx(8.0, rel=0.15)
    assert likely.ms(GIANT) == pytest.approx(1000.0, rel=0.15)


def test_from_the_specific_to_the_general() -> None:
    likely = learnt(Likely(50.0), GIANT, *[1000.0] * 40)
    for other in (asks("https://elsewhere/3.avif", 1100), asks("https://pictures/3.avif", 2000, tenant="b")):
        assert likely.ms(other) == pytest.approx(1000.0, rel=0.1)  # another host, another tenant
    learnt(likely, asks("https://elsewhere/3.avif", 1280), *[10.0] * 40)
    assert likely.ms(GIANT) == pytest.approx(1000.0, rel=0.1)
    assert likely.ms(asks("https://third/3.avif", 1280)) < 50.0  # such requests lately
    assert likely.ms(Asker("a")) == likely.ms(asks("https://pictures/3.gif", 9))  # nothing like it: all


@pytest.mark.parametrize(
    "other",
    [
        asks("https://pictures/1.png"),
        asks("https://pictures/1.jpg", 300),
        asks("https://pictures/1.jpg", 0),
        asks("https://pictures/1.jpg", dpr=2.0),
        asks("https://pictures/1.jpg", format=Format.AVIF),
        asks("https://other/1.jpg"),
        asks("https://pictures/1.jpg", tenant="b"),
    ],
)
def test_what_a_url_tells_tells_requests_apart(other: Asker) -> None:
    likely = learnt_in_turn(40, (other, 400.0), (THUMBNAIL, 8.0))
    assert likely.ms(THUMBNAIL) == pytest.approx(8.0, rel=0.1)
    assert likely.ms(other) == pytest.approx(400.0, rel=0.1)


@given(st.lists(st.integers(0, 9), min_size=10, max_size=30), st.floats(100, 1e6))
def test_a_few_odd_ones_that_look_the_same_hardly_count(where: list[int], odd_ms: float) -> None:
    """One in ten, wherever among the ten."""
    likely = learnt(Likely(50.0), THUMBNAIL, *[8.0] * 40)
    for at in where:
        learnt(likely, THUMBNAIL, *[odd_ms if number == at else 8.0 for number in range(10)])
        assert likely.ms(THUMBNAIL) <= 3 * 8.0


@given(TOOK)
def test_an_odd_one_at_the_beginning_does_not_count_either(took: list[float]) -> None:
    likely = learnt(Likely(50.0), Asker("a"), *took)
    before = likely.ms(THUMBNAIL)
    learnt(likely, THUMBNAIL, 1e9)
    assert likely.ms(THUMBNAIL) <= 2.6 * before


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize(
    ("costs", "parts", "least"), [((8.0, 20.0, 30.0), (4, 4, 2), 0.95), ((8.0, 45.0, 200.0), (70, 27, 3), 0.6)]
)
def test_of_costs_that_are_spread_it_is_the_mean_or_a_good_part_of_it(
    costs: tuple[float, ...], parts: tuple[int, ...], least: float, seed: int
) -> None:
    """What is let in must be paid for: of the second mix, the median would be a third."""
    rng, likely, found = random.Random(seed), Likely(50.0), 0.0
    for _ in range(2000):
        learnt(likely, THUMBNAIL, rng.choices(costs, parts)[0])
        found += likely.ms(THUMBNAIL) / 2000
    mean = sum(ms * part for ms, part in zip(costs, parts, strict=True)) / sum(parts)
    assert least * mean <= found <= 1.05 * mean


@given(TOOK, st.floats(2, 5000))
def test_whatever_came_before_it_follows_what_is_measured(before: list[float], ms: float) -> None:
    likely = learnt(Likely(50.0), THUMBNAIL, *before)
    learnt(likely, THUMBNAIL, *[ms] * 16)
    assert likely.ms(THUMBNAIL) == pytest.approx(ms)


@given(TOOK, st.lists(st.tuples(ASKERS, st.floats(0, 1e6)), max_size=100))
def test_what_is_known_of_a_tenants_own_is_not_changed_by_others(
    took: list[float], others: list[tuple[Asker, float]]
) -> None:
    likely = learnt(Likely(50.0), THUMBNAIL, 8.0, *took)
    before = likely.ms(THUMBNAIL)
    for asker, ms in others:
        learnt(likely, asker, ms)
        assert 0.0 <= likely.ms(asker) <= max([50.0, *took, *(ms for _, ms in others)])
    assert likely.ms(THUMBNAIL) == before


def test_what_is_remembered_is_bounded_and_the_general_is_not_forgotten() -> None:
    likely = Likely(50.0)
    for number in range(3000):
        learnt(likely, asks(f"https://host{number}/1.e{number}"), 20.0)
    assert len(likely._lately) == REMEMBERED
    assert likely.ms(Asker("new")) == pytest.approx(20.0, rel=0.01)

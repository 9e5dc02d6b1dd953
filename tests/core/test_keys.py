"""Fingerprints and plan keys: equal for equal things, pinned so that no change goes unseen."""

from __future__ import annotations

from random import Random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from tests.core.strategies import infos, offers, pipelines, policies
from tintype.core.errors import BadRequest, ImageError
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import (
    Anchor,
    Blur,
    Crop,
    Fit,
    Flip,
    Gravity,
    Op,
    Orient,
    Output,
    Pad,
    Pipeline,
    Resize,
    Rotate,
    SourceRef,
    Trim,
)
from tintype.core.plan import Cost, Plan, plan_key
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.core.values import canonical_bytes, fingerprint, fingerprints

URL = SourceRef(url="https://example.com/a.jpg")
PHOTO = ImageInfo(format=Format.JPEG, width=4000, height=3000, orientation=6)


def asked(*ops: Op, output: Output | None = None, source: SourceRef = URL) -> Pipeline:
    return Pipeline.of(source, *ops, output=output)


def key(plan: Plan, tenant: str = "t", digests: tuple[str, ...] = ("aa",), epoch: int = 1) -> str:
    return plan_key(tenant, digests, plan, epoch)


FOCUSED = Gravity(anchor=Anchor.FOCUS, x=0.25, y=0.75)


# A pinned value changes only on purpose: together with the render epoch, and with a line in the changelog.
@pytest.mark.parametrize(
    ("pipeline", "pinned"),
    [
        (asked(), "3181133fd596dc72080fba6f884bd80d"),
        (asked(Orient(), Resize(width=300, height=200, fit=Fit.COVER)), "34680311ac9a47531225166b54c611cc"),
        (
            asked(Trim(), Crop(width=0.5, gravity=FOCUSED)),
            "5df3c6a14d76f3e928382ee62a026381",
        ),
        (asked(output=Output(format=Format.WEBP, quality=40)), "a3faba61ea418c3a7b8f1d151ad949d8"),
    ],
)
def test_fingerprints_are_what_they_were(pipeline: Pipeline, pinned: str) -> None:
    assert pipeline.fingerprint == pinned


@pytest.mark.parametrize(
    ("ops", "pinned"),
    [
        ((), "e76f0b0b6a28ea5e362f669fa5050ec1"),
        ((Orient(), Resize(width=300, height=200, fit=Fit.COVER)), "62b142f7f0aa56d492f617f1549974d9"),
        ((Trim(), Resize(width=300)), "a59d15397860a015ff3c4c2c07715ec2"),
    ],
)
def test_plan_keys_are_what_they_were(ops: tuple[Op, ...], pinned: str) -> None:
    assert key(resolve(asked(*ops), PHOTO, Offer(), Policy())) == pinned


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (asked(Blur(sigma=1), Resize(width=10)), asked(Resize(width=10), Blur(sigma=1))),
        (asked(Blur(sigma=2)), asked(Blur(sigma=2.0))),
        (asked(Crop(width=100)), asked(Crop(width=100.0, height=0))),
        (asked(Pad(), Flip(), Resize(), Blur(sigma=0.0)), asked()),
        (asked(output=Output()), asked()),
        (
            asked(output=Output(format_quality=((Format.WEBP, 1), (Format.AVIF, 2)))),
            asked(output=Output(format_quality=((Format.AVIF, 2), (Format.WEBP, 1)))),
        ),
        (
            asked(output=Output(passthrough=(Format.SVG, Format.GIF, Format.SVG))),
            asked(output=Output(passthrough=(Format.GIF, Format.SVG))),
        ),
    ],
)
def test_equal_requests_spelled_differently(one: Pipeline, other: Pipeline) -> None:
    assert one.fingerprint == other.fingerprint
    assert canonical_bytes(one) == canonical_bytes(other)


@given(st.lists(st.binary(max_size=20), max_size=4), st.lists(st.binary(max_size=20), max_size=3))
def test_fingerprints_that_begin_alike_are_those_of_each(parts: list[bytes], endings: list[bytes]) -> None:
    assert fingerprints(parts, endings) == [fingerprint(*parts, ending) for ending in endings]


def test_different_requests_differ() -> None:
    variants = [
        asked(),
        asked(Orient()),
        asked(Rotate(angle=90)),
        asked(Rotate(angle=180)),
        asked(Resize(width=1)),
        asked(Resize(height=1)),
        asked(Resize(width=1, fit=Fit.COVER)),
        asked(Crop(width=1)),
        asked(output=Output(quality=1)),
        asked(output=Output(format=Format.PNG)),
        asked(source=SourceRef(url="https://example.com/b.jpg")),
        asked(source=replace(URL, buster="1")),
    ]
    assert len({pipeline.fingerprint for pipeline in variants}) == len(variants)


def test_an_op_is_taken_once() -> None:
    with pytest.raises(ValueError, match="each op once"):
        asked(Blur(sigma=1), Blur(sigma=2))


@given(pipelines(), st.randoms())
def test_order_does_not_count(pipeline: Pipeline, chance: Random) -> None:
    ops = list(pipeline.ops)
    chance.shuffle(ops)
    again = Pipeline.of(pipeline.source, *ops, output=pipeline.output, bounds=pipeline.bounds)
    assert again == pipeline
    assert again.fingerprint == pipeline.fingerprint


def test_the_key_knows_neither_cost_nor_url() -> None:
    elsewhere = SourceRef(url="https://example.org/the-same-bytes.jpg", buster="2")
    for ops in ((Resize(width=10),), (Trim(), Resize(width=10))):
        here, there = (resolve(asked(*ops, source=s), PHOTO, Offer(), Policy()) for s in (URL, elsewhere))
        assert key(here) == key(there)
        assert key(replace(here, cost=Cost(cpu_ms=1e6, peak_bytes=1))) == key(here)


def test_the_key_knows_everything_else() -> None:
    plan = resolve(asked(Resize(width=10)), PHOTO, Offer(), Policy())
    other = resolve(asked(Resize(width=11)), PHOTO, Offer(), Policy())
    keys = {
        key(plan),
        key(other),
        key(plan, tenant="u"),
        key(plan, digests=("bb",)),
        key(plan, digests=("aa", "bb")),
        key(plan, epoch=2),
    }
    assert len(keys) == 6


def test_requests_that_come_to_the_same_share_a_key() -> None:
    """What cannot matter for the result is not in the plan, whatever was asked and offered."""
    policy = Policy(auto_formats=(Format.WEBP,))
    shared = {
        key(resolve(asked(Resize(width=10), output=Output(format=Format.WEBP)), PHOTO, Offer(), policy)),
        key(resolve(asked(Resize(width=10)), PHOTO, Offer(accepts=(Format.WEBP,)), policy)),
        key(resolve(asked(Resize(width=10, height=400)), PHOTO, Offer(accepts=(Format.WEBP,)), policy)),
    }
    assert len(shared) == 1
    trimmed = {
        key(resolve(asked(Trim(), output=Output(format=Format.WEBP)), PHOTO, Offer(), policy)),
        key(resolve(asked(Trim()), PHOTO, Offer(accepts=(Format.WEBP,)), policy)),
    }
    assert len(trimmed) == 1


@given(pipelines(trimming=True), infos(), offers, policies)
def test_a_key_survives_the_journey_to_a_worker(
    pipeline: Pipeline, info: ImageInfo, offer: Offer, policy: Policy
) -> None:
    try:
        plan = resolve(pipeline, info, offer, policy)
    except (ImageError, BadRequest):
        return
    back = msgspec.msgpack.decode(msgspec.msgpack.encode(plan), type=Plan)
    assert back == plan
    assert key(back) == key(plan)


def test_parts_do_not_run_together() -> None:
    assert fingerprint(b"ab", b"c") != fingerprint(b"a", b"bc")
    assert fingerprint(b"", b"a") != fingerprint(b"a", b"")
    assert len(fingerprint()) == 32


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://User:pw@Example.com:8443/a?b", "example.com:8443"),
        ("http://[::1]:80/a", "[::1]:80"),
        ("s3://Bucket/example.com", "s3://bucket"),
        ("local:///a/b", "local://"),
        ("http://[broken/a", ""),
    ],
)
def test_the_host_of_a_source_has_no_credentials(url: str, host: str) -> None:
    assert SourceRef(url=url).host == host

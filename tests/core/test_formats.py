"""The facts about formats hang together, and offers are read as browsers write them."""

from __future__ import annotations

import pytest

from tintype.core.formats import FACTS, LOADABLE, SAVABLE, Format
from tintype.core.negotiate import WITH_DEPTH, WITH_PROFILE
from tintype.core.offer import NEGOTIABLE, Offer, offer_of
from tintype.core.policy import Policy


def test_every_format_has_facts() -> None:
    assert set(FACTS) == set(Format)
    assert len({facts.mime for facts in FACTS.values()}) == len(FACTS)
    assert len({facts.extension for facts in FACTS.values()}) == len(FACTS)


def test_what_is_written_can_be_read() -> None:
    assert SAVABLE <= LOADABLE
    assert WITH_DEPTH | WITH_PROFILE | set(NEGOTIABLE) <= SAVABLE


def test_defaults_can_be_written() -> None:
    policy = Policy()
    assert set(policy.preferred_formats) | {kind for kind, _ in policy.format_quality} <= SAVABLE
    assert all(FACTS[kind].quality for kind, _ in policy.format_quality)


@pytest.mark.parametrize(
    ("accept", "accepts"),
    [
        ("image/avif,image/webp,image/apng,image/*,*/*;q=0.8", (Format.AVIF, Format.WEBP)),
        ("Image/WebP", (Format.WEBP,)),
        ("*/*", ()),
        ("", ()),
    ],
)
def test_accept(accept: str, accepts: tuple[Format, ...]) -> None:
    assert offer_of(accept).accepts == accepts


@pytest.mark.parametrize(
    ("dpr", "width", "offer"),
    [
        ("2", "320", Offer(dpr=2.0, width=320)),
        ("1.5", "", Offer(dpr=1.5)),
        ("2.625", "1", Offer(dpr=2.75, width=16)),
        ("0.01", "16.5", Offer(dpr=0.25, width=32)),
        ("8", "512", Offer(dpr=8.0, width=512)),
        ("1e-300", "513", Offer(dpr=0.25, width=544)),
        ("1", "1024", Offer(dpr=1.0, width=1024)),
        ("1", "1025", Offer(dpr=1.0, width=1088)),
        ("1", "65535", Offer(dpr=1.0, width=65536)),
        ("8.01", "70000", Offer()),
        ("-1", "0", Offer()),
        ("nan", "inf", Offer()),
        ("two", "wide", Offer()),
    ],
)
def test_hints(dpr: str, width: str, offer: Offer) -> None:
    assert offer_of("", dpr=dpr, width=width) == offer


def test_unsigned_hints_make_few_variants() -> None:
    rungs = {width: offer_of("", width=str(width)).width for width in range(1, 65_536)}
    assert len(set(rungs.values())) == 144
    assert all(width <= rung < max(width + 16, width * 17 / 16) for width, rung in rungs.items())
    assert all(rungs.get(rung, rung) == rung for rung in rungs.values())
    assert len({offer_of("", dpr=str(n / 1000)).dpr for n in range(1, 8001)}) == 32

"""Headers of image answers."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.asked import Delivery
from tintype.core.binding import Binding
from tintype.core.tenant import DeliverySettings
from tintype.web.headers import (
    cache_control,
    canonical_link,
    disposition,
    etags_of,
    http_date,
    http_time,
    sendable,
    span_of,
)

NOW = 1_700_000_000.0


def binding(**facts: object) -> Binding:
    return Binding(tenant="t", url="http://o/a.jpg", digest="00", size=1, **facts)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "delivery", "bound", "short", "ttl", "wanted"),
    [
        ({}, {}, {}, False, 0, "max-age=31536000, public"),
        ({"ttl_s": 600}, {}, {}, False, 0, "max-age=600, public"),
        ({"ttl_s": 0}, {}, {}, False, 0, "no-cache"),
        ({}, {"expires_at": int(NOW) + 50}, {}, False, 0, "max-age=50, public"),
        ({}, {"expires_at": int(NOW) - 50}, {}, False, 0, "no-cache"),
        ({}, {}, {}, True, 0, "max-age=10, public"),
        ({}, {}, {}, False, 30, "max-age=30, public"),
        ({}, {}, {"private": True}, False, 0, "private, no-store"),
        ({}, {}, {"cache_control": "max-age=5"}, False, 0, "max-age=31536000, public"),
        ({"origin_cache_control": True}, {}, {"cache_control": "public, max-age=77"}, False, 0, "public, max-age=77"),
        (
            {"origin_cache_control": True},
            {"expires_at": int(NOW) + 5},
            {"cache_control": "max-age=77"},
            False,
            0,
            "max-age=5, public",
        ),
        ({"origin_cache_control": True}, {}, {"expires": http_date(NOW + 9)}, False, 0, "max-age=9, public"),
        ({"origin_cache_control": True}, {}, {"expires": "soon"}, False, 0, "max-age=31536000, public"),
    ],
)
def test_cache_control(settings: dict, delivery: dict, bound: dict, short: bool, ttl: int, wanted: str) -> None:  # type: ignore[type-arg]
    got = cache_control(
        DeliverySettings(**settings), Delivery(**delivery), binding(**bound), NOW, short=short, ttl_s=ttl
    )
    assert got == wanted


@pytest.mark.parametrize(
    ("url", "name", "wanted"),
    [
        ("http://o/pics/p33.jpg", "", 'inline; filename="p33.webp"'),
        ("http://o/pics/a%20b.jpg?x=1", "", 'inline; filename="a b.webp"'),
        ("local:///x/.hidden", "", 'inline; filename=".hidden.webp"'),
        ("http://o/", "", 'inline; filename="image.webp"'),
        ("http://o/x.jpg", 'a"b\\c\r\nSet-Cookie: x', 'inline; filename="a\\"b\\\\cSet-Cookie: x.webp"'),
    ],
)
def test_disposition(url: str, name: str, wanted: str) -> None:
    assert disposition(Delivery(filename=name), DeliverySettings(), url, "webp") == wanted


def test_disposition_attachment() -> None:
    assert disposition(Delivery(attachment=True), DeliverySettings(), "http://o/x.jpg", "jpg").startswith("attachment")
    assert disposition(
        Delivery(attachment=False), DeliverySettings(attachment=True), "http://o/x.jpg", "jpg"
    ).startswith("inline")


@given(st.text(max_size=40))
def test_no_file_name_adds_a_header(name: str) -> None:
    value = disposition(Delivery(filename=name), DeliverySettings(), "http://o/x.jpg", "jpg")
    assert not any(ord(c) < 32 or ord(c) == 127 for c in value)


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        (b"bytes=0-0", (0, 0)),
        (b"bytes=5-", (5, 9)),
        (b"bytes=-3", (7, 9)),
        (b"bytes=-30", (0, 9)),
        (b"bytes=2-100", (2, 9)),
        (b"bytes=5-2", None),
        (b"bytes=-", None),
        (b"bytes=0-1,3-4", None),
        (b"lines=0-1", None),
        (b"bytes=a-b", None),
    ],
)
def test_span(header: bytes, wanted: tuple[int, int] | None) -> None:
    assert span_of(header, 10) == wanted


@pytest.mark.parametrize("header", [b"bytes=10-", b"bytes=10-12", b"bytes=-0"])
def test_a_span_outside_is_refused(header: bytes) -> None:
    with pytest.raises(ValueError, match="outside"):
        span_of(header, 10)


ENDS = st.one_of(st.just(""), st.integers(0, 1200).map(str))


@given(st.tuples(ENDS, ENDS), st.integers(0, 1000))
def test_a_span_is_inside_or_refused(ends: tuple[str, str], length: int) -> None:
    """As RFC 9110 14.1.2 has it: from the first, up to the last or the end; without a first, so many at the end."""
    first, last = ends
    body = range(length)
    wanted = body[int(first) : int(last) + 1 if last else None] if first else body[-int(last) :] if last else range(0)
    backwards = not (first or last) or (first and last and int(first) > int(last))
    try:
        span = span_of(f"bytes={first}-{last}".encode(), length)
    except ValueError:
        assert not wanted or (not first and not int(last))
    else:
        assert span == (None if backwards else (wanted[0], wanted[-1]))


@given(st.binary(max_size=60).filter(lambda header: b"=" not in header), st.integers(0, 1000))
def test_what_is_no_span_is_none(header: bytes, length: int) -> None:
    assert span_of(header, length) is None


def test_etags() -> None:
    assert etags_of(b'"a", W/"b",  "c"') == {"a", "b", "c"}
    assert etags_of(b"a, b") == frozenset()
    assert len(etags_of(b",".join(b'"%d"' % i for i in range(1000)))) == 64


def test_http_time() -> None:
    assert http_time(http_date(NOW)) == NOW
    assert http_time("") is None
    assert http_time("yesterday") is None


def test_canonical_link() -> None:
    assert canonical_link("http://o/a b.jpg") == '<http://o/a%20b.jpg>; rel="canonical"'
    assert canonical_link("local:///a.jpg") == ""


def test_a_canonical_link_shows_no_credentials() -> None:
    assert canonical_link("http://user:p@ss@h.example/a@b.jpg") == '<http://h.example/a@b.jpg>; rel="canonical"'


@pytest.mark.parametrize("value", ["max-age=1\udcff", "max-age=1\x01", "max-age=1\r\nx: y", "h\u00e4"])
def test_what_cannot_be_sent_on_is_not(value: str) -> None:
    assert sendable(value) == ""
    assert sendable("max-age=1, public") == "max-age=1, public"

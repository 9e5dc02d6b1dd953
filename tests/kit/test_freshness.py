"""Freshness: RFC 9111 and RFC 5861 as a table of cases, and laws that hold for any header."""

from __future__ import annotations

import math
import subprocess
import sys
from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.binding import Binding
from tintype.kit.freshness import (
    Freshness,
    Rules,
    Said,
    State,
    ahead_s,
    directives,
    ends_at,
    http_date,
    judge,
    names_lifetime,
    renews_at,
    state,
)

NOW = 1_800_000_000.0
RULES = Rules(default_fresh_s=0.0, stale_while_revalidate_s=60.0, stale_if_error_s=1000.0)

# Cache-Control -> (fresh for, of use while asking for, of use when asking failed for, private), in seconds from now.
CASES: list[tuple[str, tuple[float, float, float, bool]]] = [
    ("", (0, 0, 1000, False)),
    ("public", (0, 0, 1000, False)),
    ("max-age=100", (100, 160, 1100, False)),
    ("MAX-AGE=100, Public", (100, 160, 1100, False)),
    ('max-age="100"', (100, 160, 1100, False)),
    ("max-age = 100", (100, 160, 1100, False)),
    ("max-age=100, max-age=5", (5, 65, 1005, False)),
    ("max-age=100, max-age=nonsense", (0, 0, 1000, False)),
    ("max-age=-1", (0, 0, 1000, False)),
    ("max-age=1e9", (0, 0, 1000, False)),
    ("max-age=99999999999999999999", (2**31, 2**31 + 60, 2**31 + 1000, False)),
    ("max-age=0", (0, 0, 1000, False)),
    ("max-age=10, s-maxage=100", (100, 100, 100, False)),
    ("s-maxage=0, max-age=100", (0, 0, 0, False)),
    ("s-maxage=10, stale-while-revalidate=5, stale-if-error=7", (10, 15, 17, False)),
    ("max-age=10, stale-while-revalidate=5", (10, 15, 1010, False)),
    ("max-age=10, stale-while-revalidate=0, stale-if-error=0", (10, 10, 10, False)),
    ("max-age=10, stale-while-revalidate=50, stale-if-error=7", (10, 60, 60, False)),
    ("max-age=0, stale-while-revalidate=5", (0, 5, 1000, False)),
    ("max-age=10, must-revalidate", (10, 10, 10, False)),
    ("max-age=10, proxy-revalidate", (10, 10, 10, False)),
    ("max-age=10, must-revalidate, stale-while-revalidate=5", (10, 10, 10, False)),
    ("no-cache", (0, 0, 0, False)),
    ("no-cache, max-age=100", (0, 0, 0, False)),
    ('no-cache="set-cookie", max-age=100', (0, 0, 0, False)),
    ("no-store", (0, 0, 0, True)),
    ("private", (0, 0, 0, True)),
    ("private, max-age=100", (0, 0, 0, True)),
    ('private="x-user, x-more", max-age=100', (0, 0, 0, True)),
    ("Private", (0, 0, 0, True)),
    ('x="a, no-store", max-age=5', (5, 65, 1005, False)),
    (",,max-age=5,,", (5, 65, 1005, False)),
    ("max-age=5;no-store", (5, 65, 1005, False)),
]


def seconds(said: Freshness) -> tuple[float, float, float, bool]:
    return (said.fresh_until - NOW, said.stale_until - NOW, said.error_until - NOW, said.private)


@pytest.mark.parametrize(("header", "expected"), CASES)
def test_cache_control(header: str, expected: tuple[float, float, float, bool]) -> None:
    assert seconds(judge(Said(cache_control=header), RULES, NOW)) == expected


@pytest.mark.parametrize(
    ("said", "fresh_s"),
    [
        (Said(expires=formatdate(NOW + 50, usegmt=True)), 50),
        (Said(expires=formatdate(NOW - 50, usegmt=True)), 0),
        (Said(expires="0"), 0),
        (Said(expires="never"), 0),
        (Said(cache_control="max-age=5", expires=formatdate(NOW + 50, usegmt=True)), 5),
        (Said(cache_control="max-age=100", age_s=30), 70),
        (Said(cache_control="max-age=100", age_s=300), 0),
        (Said(versioned=True), 365 * 86_400),
    ],
)
def test_expires_age_and_versions(said: Said, fresh_s: float) -> None:
    assert judge(said, RULES, NOW).fresh_until - NOW == fresh_s


@pytest.mark.parametrize(
    ("said", "private"),
    [
        (Said(set_cookie=True, cache_control="max-age=100"), True),
        (Said(vary="Cookie"), True),
        (Said(vary="Accept, authorization"), True),
        (Said(vary="*"), True),
        (Said(vary="Accept, Accept-Encoding, Origin, X-Cookie"), False),
    ],
)
def test_what_depends_on_who_asks_is_private(said: Said, private: bool) -> None:
    assert judge(said, RULES, NOW).private is private


def test_the_default_lifetime_counts_where_the_origin_is_silent() -> None:
    rules = Rules(default_fresh_s=30.0, stale_while_revalidate_s=60.0, stale_if_error_s=1000.0)
    assert seconds(judge(Said(), rules, NOW)) == (30, 90, 1030, False)
    assert seconds(judge(Said(cache_control="max-age=0"), rules, NOW))[0] == 0
    assert seconds(judge(Said(cache_control="no-cache"), rules, NOW))[0] == 0


@pytest.mark.parametrize(
    ("cache_control", "expires", "named"),
    [
        ("", "", False),
        ("public, must-revalidate", "", False),
        ("max-age=0", "", True),
        ("s-maxage=1", "", True),
        ("no-cache", "", True),
        ("no-store", "", True),
        ("", "0", True),
    ],
)
def test_whether_a_lifetime_was_named(cache_control: str, expires: str, named: bool) -> None:
    assert names_lifetime(cache_control, expires) is named


def test_states_by_time() -> None:
    assert [state(10.0, 20.0, now) for now in (9.9, 10.0, 19.9, 20.0)] == [
        State.FRESH,
        State.STALE,
        State.STALE,
        State.ASK,
    ]


TOKENS = st.sampled_from(
    [
        "max-age",
        "s-maxage",
        "no-cache",
        "no-store",
        "private",
        "must-revalidate",
        "stale-while-revalidate",
        "x",
        "public",
    ]
)
HEADERS = st.lists(
    st.tuples(TOKENS, st.none() | st.integers(0, 10**12).map(str) | st.text(max_size=5)), max_size=5
).map(lambda parts: ", ".join(name if value is None else f"{name}={value}" for name, value in parts))


@given(HEADERS | st.text(), st.floats(0, 1e6), st.booleans(), st.text(max_size=20))
def test_the_times_are_in_order_whatever_is_said(header: str, age_s: float, cookie: bool, vary: str) -> None:
    found = judge(Said(cache_control=header, age_s=age_s, set_cookie=cookie, vary=vary), RULES, NOW)
    assert NOW <= found.fresh_until <= found.stale_until <= found.error_until <= NOW + 2**33
    if found.private:
        assert found.error_until == NOW


@given(HEADERS)
def test_forbidding_more_never_allows_more(header: str) -> None:
    plain = judge(Said(cache_control=header), RULES, NOW)
    for more in ("must-revalidate", "no-cache", "private"):
        strict = judge(Said(cache_control=f"{header}, {more}"), RULES, NOW)
        assert strict.fresh_until <= plain.fresh_until
        assert strict.error_until <= plain.error_until


@given(st.text())
def test_any_text_can_be_read(text: str) -> None:
    assert all(name == name.lower() for name in directives(text))
    http_date(text)


@pytest.mark.parametrize(
    "header",
    ["'x,' + ' ' * N + '\"'", "'x=' + ' ' * N + ','", "'x' * N + '\"'", "'x=\"' + '\\\\' * N", "'x=\"y,' * (N // 5)"],
)
def test_a_long_header_takes_no_longer_than_its_length(header: str) -> None:
    # What takes time in the square of the length takes an hour here; what does not, a moment.
    code = f"N = 1_000_000; from tintype.kit.freshness import directives; directives({header})"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=120)


# Asking again before the end


def bound(**facts: Any) -> Binding:
    return Binding(tenant="t", url="http://a/b", digest="0" * 64, size=1, **facts)


@given(st.floats(0.0, 100.0), st.floats(0.0, 1.0, exclude_min=True))
def test_an_origin_has_twice_the_time_it_took_to_answer_again(took_s: float, draw: float) -> None:
    assert ahead_s(took_s, draw) >= 2 * took_s


def test_draws_keep_nodes_apart() -> None:
    """The share of nodes that have asked so much before the end falls by the factor e with each time the origin took."""
    draws = [(number + 1) / 1000 for number in range(1000)]
    for times in (1, 2, 3):
        assert sum(ahead_s(1.0, draw) > 2 + times for draw in draws) == pytest.approx(1000 * math.exp(-times), abs=2)


@given(
    st.floats(0.0, 1e9),
    st.floats(-1000.0, 1e6),
    st.floats(0.0, 1e6),
    st.floats(0.0, 1e6),
    st.sampled_from(["", "no-cache", "max-age=10"]),
)
def test_it_is_asked_again_in_the_last_quarter_of_its_life(
    fetched_at: float, fresh_s: float, ahead: float, assume_fresh_s: float, cache_control: str
) -> None:
    binding = bound(fetched_at=fetched_at, fresh_until=fetched_at + fresh_s, cache_control=cache_control, ahead_s=ahead)
    end, again = ends_at(binding, assume_fresh_s), renews_at(binding, assume_fresh_s)
    assert again <= end
    assert again >= min(end, fetched_at + 0.75 * (end - fetched_at)) - 1e-6 * max(1.0, abs(end))
    if cache_control:
        assert end == binding.fresh_until
    else:
        assert end >= fetched_at + assume_fresh_s

"""What the edge is told of how long it may answer by itself."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.web.test_headers import NOW, binding
from tintype.core.asked import Delivery
from tintype.core.tenant import DeliverySettings
from tintype.web.edge import edge_age
from tintype.web.headers import cache_control, http_date


def seconds(settings: DeliverySettings, control: str, delivery: Delivery | None = None, **bound: object) -> int:
    [(name, value)] = edge_age(settings, delivery or Delivery(), binding(**bound), control)
    assert name == b"x-accel-expires"
    return int(value)


def test_it_is_told_nothing_by_default() -> None:
    assert edge_age(DeliverySettings(), Delivery(), binding(), "max-age=60, public") == []


@pytest.mark.parametrize(
    ("control", "wanted"),
    [
        ("max-age=31536000, public", 10),
        ("max-age=3, public", 3),
        ("max-age=600, s-maxage=5", 5),
        ("max-age=2, s-maxage=600", 10),
        ("no-cache", 0),
        ("private, no-store", 0),
        ("private, max-age=60", 0),
        ("max-age=60, no-store", 0),
        ("must-revalidate", 0),
    ],
)
def test_what_cache_control_allows_and_no_longer_than_set(control: str, wanted: int) -> None:
    assert seconds(DeliverySettings(edge_ttl_s=10), control) == wanted


def test_an_age_that_counts_down_is_not_kept() -> None:
    settings = DeliverySettings(edge_ttl_s=10, origin_cache_control=True)
    assert seconds(settings, "max-age=50, public", Delivery(expires_at=int(NOW) + 50)) == 0
    assert seconds(settings, "max-age=50, public", expires=http_date(NOW + 50)) == 0
    assert seconds(settings, "max-age=50", expires=http_date(NOW + 50), cache_control="max-age=50") == 10
    assert seconds(DeliverySettings(edge_ttl_s=10), "max-age=50, public", expires=http_date(NOW + 50)) == 10


@given(st.integers(1, 10**9), st.integers(0, 10**9), st.booleans(), st.booleans())
def test_never_longer_than_what_everyone_is_told(edge: int, ttl: int, short: bool, private: bool) -> None:
    settings, bound = DeliverySettings(ttl_s=ttl, edge_ttl_s=edge), binding(private=private)
    control = cache_control(settings, Delivery(), bound, NOW, short=short)
    told = seconds(settings, control, private=private)
    assert told <= min(edge, ttl)
    assert told <= 10 or not short
    assert not told or not private

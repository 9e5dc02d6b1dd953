"""What of a request goes on to an origin."""

from __future__ import annotations

import pytest

from tintype.core.tenant import DeliverySettings
from tintype.web.forward import NOTHING, forwarded

HEADERS = {
    b"cookie": b"sid=1",
    b"host": b"img.example:80",
    b"authorization": b"Bearer t",
    b"x-team": b"red",
    b"accept": b"*/*",
}


@pytest.mark.parametrize(
    ("settings", "url", "wanted"),
    [
        ({}, "http://img.example/a", {}),
        ({"cookie_passthrough": True}, "http://img.example/a", {"cookie": "sid=1"}),
        ({"cookie_passthrough": True}, "http://other.example/a", {}),
        (
            {"cookie_passthrough": True, "cookie_base_url": "https://other.example"},
            "http://other.example/a",
            {"cookie": "sid=1"},
        ),
        ({"cookie_passthrough_all": True}, "http://other.example/a", {"cookie": "sid=1"}),
        ({"cookie_passthrough_all": True}, "s3://b/a", {}),
        ({"forward_headers": ("X-Team", "X-None")}, "http://o/a", {"x-team": "red"}),
    ],
)
def test_forwarded(settings: dict, url: str, wanted: dict) -> None:  # type: ignore[type-arg]
    assert dict(forwarded(DeliverySettings(**settings), HEADERS, url).headers) == wanted


def test_identity_makes_it_private_and_the_digest_tells_people_apart() -> None:
    cookies = DeliverySettings(cookie_passthrough_all=True)
    mine, yours = (forwarded(cookies, {b"cookie": c}, "http://o/a") for c in (b"sid=1", b"sid=2"))
    assert mine.private
    assert mine.digest != yours.digest
    assert not forwarded(DeliverySettings(forward_headers=("x-team",)), HEADERS, "http://o/a").private
    assert forwarded(DeliverySettings(forward_headers=("authorization",)), HEADERS, "http://o/a").private
    assert forwarded(cookies, {}, "http://o/a") is NOTHING

"""RateLimit headers: structured fields, as the draft has them."""

from __future__ import annotations

from math import ceil

from tintype.core.quota import Allowance
from tintype.web.heads import retry_after_s
from tintype.web.ratelimit import rate_limit


def test_policies_and_what_is_left_of_them() -> None:
    second = Allowance("second", 500, 10, left_ms=12.9, wait_s=1.2)
    day = Allowance("day", 100_000, 86_400, left_ms=999.0, wait_s=0.0)
    assert rate_limit((second, day), ceil) == [
        (
            b"ratelimit-policy",
            b'"second";q=500;qu="tintype-worker-ms";w=10, "day";q=100000;qu="tintype-worker-ms";w=86400',
        ),
        (b"ratelimit", b'"second";r=12;t=2, "day";r=999;t=0'),
    ]


def test_clients_come_back_apart_and_never_too_early_nor_much_too_late() -> None:
    ids = [str(number).encode() for number in range(300)]
    assert {retry_after_s(0.2, one) for one in ids} == {1, 2}
    assert {retry_after_s(3.5, one) for one in ids} == {4, 5, 6, 7, 8}
    assert {retry_after_s(20_000.0, one) for one in ids} == set(range(20_000, 20_011))

"""Metastability: visitors who try three times at three times the capacity, and then come at a rate that can be borne."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from bench.faults.field import Field, Row, at_most, told
from bench.faults.visitors import EXPECTED, visit

_TIMES, _AFTER, _WITHIN_S = 3.0, 0.7, 10


def retries(field: Field) -> Iterator[Row]:
    """Overload a node with visitors who try again; then see how soon it is normal."""
    storm_s, after_s = field.seconds(60, 10), int(field.seconds(30, 15))
    with field.origin() as base, field.serving(base) as server:
        asking = field.asking(server)
        most = field.capacity(asking, server.port, "renders")
        storm = asyncio.run(visit(asking, _TIMES * most, storm_s))
        after = asyncio.run(visit(asking, _AFTER * most, after_s))
    yield at_most("retries", "normal again after, s", after.normal_after(0.99, after_s - 1), _WITHIN_S)
    yield at_most("retries", "answers other than 200, 429, 503", _others(storm.attempts + after.attempts), 0)
    for odd in storm.odd + after.odd:
        yield told("retries", "one of them", odd)
    yield told("retries", "attempts of a visitor meanwhile", storm.attempts.total() / storm.began.total())
    yield told("retries", "visitors in time meanwhile, of capacity", storm.in_time.total() / storm_s / most)


def _others(attempts: dict[int, int]) -> int:
    return sum(count for status, count in attempts.items() if status not in EXPECTED)

"""A worker that is never replaced does not grow."""

from __future__ import annotations

import pytest
from bench.flat import measure


@pytest.mark.slow
async def test_memory_of_a_worker_is_flat() -> None:
    found = await measure(5000, 500)
    assert not found.pid_changed, "the worker was replaced: nothing was measured"
    assert found.growth(1000) < 0.05, found.samples

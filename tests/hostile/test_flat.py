"""A worker that is never replaced does not grow; a node's growth is told from what comes and goes."""

from __future__ import annotations

import random

import pytest
from bench.flat import measure
from bench.flat_node import Found, Sample


@pytest.mark.slow
async def test_memory_of_a_worker_is_flat() -> None:
    found = await measure(5000, 500)
    assert not found.pid_changed, "the worker was replaced: nothing was measured"
    assert found.growth(1000) < 0.05, found.samples


@pytest.mark.parametrize("growth", [0.0, 0.02, 0.3])
def test_growth_of_a_node_is_that_of_a_line_after_it_is_warm(growth: float) -> None:
    noise, samples = random.Random(1), []
    for number in range(360):
        late = max(0.0, number - 90) / 269
        own = 4e8 * (1 + growth * late) * noise.gauss(1, 0.005) * (1.5 if noise.random() < 0.7 else 1)
        own *= 0.3 if number < 60 else 1  # it is not warm yet
        samples.append(Sample(number * 10.0, (int(own / 2), int(own / 2)), int(own)))
    assert Found(samples).growth(0.25) == pytest.approx(growth, abs=0.005)

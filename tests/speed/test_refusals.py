"""What a refusal costs the server's thread, counted: about what a hit does, and it does not creep back."""

from __future__ import annotations

from pathlib import Path

from bench.refusals import rows

_REQUESTS = 3200


async def test_a_refusal_calls_hardly_more_functions_than_a_hit(tmp_path: Path) -> None:
    hit, refusal = await rows(tmp_path, _REQUESTS, 1)
    assert hit["python"] + hit["c"] < 45
    assert refusal["python"] + refusal["c"] < 2 * (hit["python"] + hit["c"])

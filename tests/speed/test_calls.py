"""What a miss costs the front, counted: it does not creep back."""

from __future__ import annotations

from pathlib import Path

from bench.calls import of_misses
from bench.photos import made

# A tenth above what was counted when this was written, of functions in Python: what it takes to fetch a photo from an origin,
# have it made smaller, keep both and answer. `python -m bench.calls` says which modules they are in.
_MOST = 1650
_REQUESTS = 10


def test_a_miss_calls_no_more_functions_than_it_did(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for number in range(3):
        made(photos / f"{number}.jpg", 1200, 800, number)
    calls = of_misses(photos, tmp_path, _REQUESTS)
    assert sum(count for (_, kind), count in calls.items() if kind == "call") / _REQUESTS < _MOST

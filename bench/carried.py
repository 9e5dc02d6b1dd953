"""Figures of imgproxy from another machine, for machines without it: its ratio to peers that were measured beside it there.

imgproxy 4.0.12 (the better of two builds), oximg 0.18 and thumbor 7.8 side by side in one run on two cores, 512 px
results: requests a second, and SSIMULACRA2 of imgproxy against a linear-light Lanczos reference.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any, NamedTuple


class Seen(NamedTuple):
    """Rates of a cell on that machine, and imgproxy's quality; None: the peer cannot."""

    imgproxy: float
    quality: float
    oximg: float | None
    thumbor: float | None


SEEN = {
    "jpeg12": Seen(26, 66.2, 22.4, 16.8),
    "jpeg2k": Seen(54, 67.7, 58.6, 48.9),
    "webp": Seen(34, 66.1, 46.9, 28.4),
    "avif": Seen(19, 66.0, None, None),
    "png2k": Seen(20, 79.6, 39, 8.8),
    "alpha2k": Seen(11.5, 79.7, 23.4, 6.6),
    "webp2k": Seen(20, 75.5, 31, 15.2),
    "avif2k": Seen(8.2, 67.5, None, None),
}
NAME, TITLE = "imgproxy*", "imgproxy 4.0.12, carried over*"
NOTE = (
    "* not measured here: no IMGPROXY_BIN. Its rate is that of the peers here times the ratio that it had to them in one "
    "run on another machine (oximg and thumbor, the mean of both; in the AVIF cells, which neither has, the median of "
    "that machine's ratio to this one in the other cells). SSIMULACRA2 is of that machine's photos."
)


def rows(measured: Mapping[tuple[str, str], float]) -> list[dict[str, Any]]:
    """Return a row for each cell of which rates by (cell, side) are given, none if no peer in common was measured."""
    ratios = {cell: _ratios(cell, seen, measured) for cell, seen in SEEN.items()}
    everywhere = [ratio for found in ratios.values() for ratio in found]
    cells = dict.fromkeys(cell for cell, _ in measured) if everywhere else {}
    return [
        {
            "cell": cell,
            "side": NAME,
            "title": TITLE,
            "req/s": SEEN[cell].imgproxy
            * (statistics.mean(ratios[cell]) if ratios[cell] else statistics.median(everywhere)),
            "SSIMULACRA2": SEEN[cell].quality,
        }
        for cell in cells
    ]


def _ratios(cell: str, seen: Seen, measured: Mapping[tuple[str, str], float]) -> list[float]:
    """Return how fast this machine is beside that one, by each peer measured on both."""
    pairs = (("oximg", seen.oximg), ("thumbor", seen.thumbor))
    return [measured[cell, peer] / rate for peer, rate in pairs if rate and (cell, peer) in measured]

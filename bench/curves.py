"""Curves of `bench.overload`: what is answered in time against what is asked for, drawn and written into the guide.

`scripts/bench overload` first, then `python -m bench.curves`. What is saved as overload-mixed.json becomes a table of its own.
"""

from __future__ import annotations

import json
from ast import literal_eval
from collections.abc import Mapping, Sequence
from itertools import groupby
from math import log2
from pathlib import Path
from typing import Any

from bench.page import filled, markdown, origin
from bench.plot import colors, picture, text

_ROOT = Path(__file__).resolve().parents[1]
_FIGURES = {name: _ROOT / "bench" / "out" / f"{name}.json" for name in ("overload", "overload-mixed")}
_GUIDE, _PICTURE = _ROOT / "docs" / "overload.md", _ROOT / "docs" / "images" / "overload.svg"

_LEFT, _TOP, _WIDTH, _HEIGHT = 60, 40, 520, 240  # px, of the field that the curves are in
_LEGEND = 130  # px, right of it
_HIGHEST = 1.1  # of the capacity
_GOAL = 0.9
Row = Mapping[str, Any]


def curves(rows: Sequence[Row]) -> str:
    """Return a picture: times the capacity to the right (logarithmic), what was answered in time, of the capacity, upwards."""
    sides = {side: list(its) for side, its in groupby(rows, key=lambda row: row["side"])}
    times = sorted({row["times"] for row in rows})
    lines = [text(8, 20, "Answered within a second, of the capacity, against what is asked for", weight="bold")]
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        lines.append(_line([(_LEFT, _y(share)), (_LEFT + _WIDTH, _y(share))], "#ddd"))
        lines.append(text(_LEFT - 8, _y(share) + 4, f"{share:.2f}", anchor="end"))
    lines += [text(_x(each, times), _TOP + _HEIGHT + 18, f"{each:g}x", anchor="middle") for each in times]
    lines.append(_line([(_LEFT, _y(_GOAL)), (_LEFT + _WIDTH, _y(_GOAL))], "#888", dash="4 4"))
    lines.append(text(_LEFT + _WIDTH + 8, _y(_GOAL) + 4, "goal"))
    for (side, its), color in zip(sides.items(), colors(len(sides)), strict=True):
        rising = sorted(_first(its), key=lambda row: row["times"])
        points = [(_x(row["times"], times), _y(min(_HIGHEST, row["of capacity"]))) for row in rising]
        lines.append(_line(points, color, width=2.5))
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{color}"/>' for x, y in points]
        lines.append(text(points[-1][0] + 8, points[-1][1] + 4, side))
    return picture(_LEFT + _WIDTH + _LEGEND, _TOP + _HEIGHT + 30, lines)


def _first(rows: Sequence[Row]) -> list[Row]:
    """Return the first row of each multiple: the last one shows how a server came back."""
    return list({row["times"]: row for row in reversed(rows)}.values())


def _x(times: float, all_times: Sequence[float]) -> float:
    span = log2(all_times[-1] / all_times[0]) or 1
    return _LEFT + _WIDTH * log2(times / all_times[0]) / span


def _y(share: float) -> float:
    return _TOP + _HEIGHT * (1 - share / _HIGHEST)


def _line(points: Sequence[tuple[float, float]], color: str, *, width: float = 1, dash: str = "") -> str:
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="{width}" stroke-dasharray="{dash}"/>'


def told(saved: Mapping[str, Any]) -> str:
    """Return the table of the guide, under the line that says where and when."""
    rows = [
        {
            "server": row["side"],
            "asked, x capacity": row["times"],
            "asked /s": row["offered"],
            "in time, of capacity": row["of capacity"],
            "of what the client leaves": row["of what is left"],
            "p50 ms": row["p50 ms"],
            "p99 ms": row["p99 ms"],
            "refused": row["refused"],
            "refused, p50 ms": row["refused p50"],
            "refused, p99 ms": row["refused p99"],
            **({"mix off by": row["skew"], "by chance": row["by chance"]} if saved["facts"]["mix"] == "mixed" else {}),
            "peak MB": row["peak MB"],
            "of it results": row["results MB"],
            "the rest, of calm": row["of calm"],
            "back in s": row["back s"],
            "neither image nor refusal": sum(literal_eval(row["other"] or "{}").values()),
        }
        for row in saved["rows"]
    ]
    return f"{origin(saved)} {saved['facts']['seconds']:.0f} s of each.\n\n{markdown(rows)}"


def main() -> None:
    saved = {name: json.loads(file.read_text()) for name, file in _FIGURES.items() if file.exists()}
    _PICTURE.write_text(curves(saved["overload"]["rows"]))
    _GUIDE.write_text(filled(_GUIDE.read_text(), saved, dict.fromkeys(saved, told)))
    print(f"wrote {_GUIDE.relative_to(_ROOT)} and {_PICTURE.relative_to(_ROOT)}")


if __name__ == "__main__":
    main()

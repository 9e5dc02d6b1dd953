"""Plots as SVG, by hand: bars of rates in groups of one cell, stacked bars of milliseconds; and what others draw with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from bench.cells import CELLS
from bench.parts import PHASES

_LABEL, _BARS, _NOTE = 210, 480, 150  # px: left of the bars, the longest bar, right of it
_BAR, _GAP, _GROUP = 14, 4, 12
_COLORS = ("#3b6fb6", "#7fb069", "#e0a030", "#b65d8c", "#5aa9a9", "#999999")
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Bar:
    """A bar: what is left of it, its parts as (value, colour), and what is right of it."""

    label: str
    parts: tuple[tuple[float, str], ...]
    note: str = ""

    @property
    def length(self) -> float:
        return sum(value for value, _ in self.parts)


def write(mode: str, rows: Sequence[Row], folder: Path) -> None:
    """Write the plot of a mode into a folder; most modes have none."""
    if mode in _PLOTS:
        (folder / f"compare-{mode}.svg").write_text(_PLOTS[mode](rows))


def rates(rows: Sequence[Row]) -> str:
    """Return bars of requests a second, with quality and bytes, grouped by cell."""
    sides = list(dict.fromkeys(row["side"] for row in rows if "req/s" in row))
    shades = dict(zip(sides, colors(len(sides)), strict=True))
    groups = []
    for cell, its in _by_cell(rows):
        bars = [Bar(r["side"], ((r["req/s"], shades[r["side"]]),), _note(r)) for r in its if "req/s" in r]
        groups.append((cell, bars))
    return svg("Requests a second, cold, 512 px results", groups)


def parts(rows: Sequence[Row]) -> str:
    """Return stacked bars of milliseconds by phase."""
    shades = dict(zip(PHASES, colors(len(PHASES)), strict=True))
    groups = []
    for cell, its in _by_cell(rows):
        bars = [Bar(r["side"], tuple((r[phase], shades[phase]) for phase in PHASES)) for r in its]
        groups.append((cell, [Bar(b.label, b.parts, f"{b.length:.0f} ms") for b in bars]))
    return svg("Milliseconds of one cold request", groups, tuple(shades.items()))


def svg(title: str, groups: Sequence[tuple[str, Sequence[Bar]]], legend: Iterable[tuple[str, str]] = ()) -> str:
    """Return a picture of horizontal bars in groups with headings."""
    most = max((bar.length for _, bars in groups for bar in bars), default=1) or 1
    lines, y = [text(8, 20, title, weight="bold")], 28
    for number, (name, color) in enumerate(legend):
        lines.append(_rect(8 + number * 90, y, 10, color) + text(22 + number * 90, y + 11, name))
        y += 0 if number else 18
    for heading, bars in groups:
        y += _GROUP + 14
        lines.append(text(8, y - 4, heading, weight="bold"))
        for bar in bars:
            lines.append(_bar(bar, y, _BARS / most))
            y += _BAR + _GAP
    width, height = _LABEL + _BARS + _NOTE, y + 10
    return picture(width, height, lines)


def picture(width: int, height: int, lines: Iterable[str]) -> str:
    """Return a picture of so many pixels with what is drawn in it."""
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">'
    return "\n".join([head, f'<rect width="{width}" height="{height}" fill="#fff"/>', *lines, "</svg>", ""])


def _bar(bar: Bar, y: int, scale: float) -> str:
    drawn, x = [text(_LABEL - 8, y + 11, bar.label, anchor="end")], float(_LABEL)
    for value, color in bar.parts:
        drawn.append(_rect(x, y, value * scale, color))
        x += value * scale
    return "".join([*drawn, text(x + 6, y + 11, bar.note)])


def _rect(x: float, y: float, width: float, color: str) -> str:
    return f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="{_BAR}" fill="{color}"/>'


def text(x: float, y: float, words: str, *, anchor: str = "start", weight: str = "normal") -> str:
    """Return words at a point."""
    style = f'text-anchor="{anchor}" font-weight="{weight}" fill="#222"'
    return f'<text x="{x:.1f}" y="{y}" {style}>{escape(words)}</text>'


def _by_cell(rows: Sequence[Row]) -> Iterable[tuple[str, list[Row]]]:
    for cell in CELLS.values():
        its = [row for row in rows if row["cell"] == cell.name]
        if its:
            yield cell.title, its


def _note(row: Row) -> str:
    quality = f", SSIMULACRA2 {row['SSIMULACRA2']:.0f}" if "SSIMULACRA2" in row else ""
    return f"{row['req/s']:.1f}{quality}"


def colors(count: int) -> list[str]:
    """Return so many colours."""
    return [_COLORS[number % len(_COLORS)] for number in range(count)]


_PLOTS: dict[str, Callable[[Sequence[Row]], str]] = {"cells": rates, "parts": parts}

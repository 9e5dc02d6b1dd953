"""Writes figures into documents: what stands between `<!-- bench: NAME -->` and `<!-- /bench -->` is made from bench/out."""

from __future__ import annotations

import json
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench import carried
from bench.cells import CELLS

DOCUMENTS = ("docs/performance.md", "README.md")
_PART = re.compile(r"(<!-- bench: ([a-z-]+) -->\n).*?(<!-- /bench -->)", re.DOTALL)
_README_SIDES = ("tintype-linear", "tintype-gamma", "oximg", "thumbor", "imgproxy", carried.NAME)
Saved = Mapping[str, Any]


def write(out: Path, root: Path) -> None:
    """Rewrite the parts of the documents whose figures are in `out`, and copy the plots beside them."""
    saved = {file.stem.removeprefix("compare-"): json.loads(file.read_text()) for file in out.glob("compare-*.json")}
    for name in DOCUMENTS:
        file = root / name
        file.write_text(filled(file.read_text(), saved))
        print(f"wrote {name}")
    for plot in out.glob("compare-*.svg"):
        shutil.copyfile(plot, root / "docs" / "images" / plot.name.replace("compare", "performance"))


def filled(text: str, saved: Mapping[str, Saved], render: Mapping[str, Callable[[Saved], str]] | None = None) -> str:
    """Return a document with its parts made anew, by `render` or as rows; those without figures stay as they are."""
    how = _RENDER if render is None else render

    def part(match: re.Match[str]) -> str:
        begin, name, end = match.groups()
        known = saved.get(_SOURCE.get(name, name))
        return f"{begin}{how.get(name, plain)(known)}\n{end}" if known else match.group()

    return _PART.sub(part, text)


def plain(saved: Saved) -> str:
    """Return the rows of a mode as they are, under a line that says where and when."""
    return f"{origin(saved)}\n\n{markdown([without(row, 'title') for row in saved['rows']])}"


def by_cell(saved: Saved) -> str:
    """Return a table for each cell."""
    parts = [origin(saved)]
    for cell in CELLS.values():
        rows = [without(row, "cell", "title") for row in saved["rows"] if row["cell"] == cell.name]
        if rows:
            parts.append(f"**{cell.title}**\n\n{markdown(rows)}")
    if any(row["side"] == carried.NAME for row in saved["rows"]):
        parts.append(carried.NOTE.replace("*", "\\*"))
    return "\n\n".join(parts)


def overview(saved: Saved) -> str:
    """Return one table of all cells: requests a second and quality of each side."""
    cells = {(row["cell"], row["side"]): row for row in saved["rows"]}
    sides = [side for side in _README_SIDES if any(name == side for _, name in cells)]
    rows = [
        {"req/s, SSIMULACRA2": cell.title, **{side: _short(cells.get((cell.name, side), {})) for side in sides}}
        for cell in CELLS.values()
        if any(name == cell.name for name, _ in cells)
    ]
    note = f"\n\n{carried.NOTE}".replace("*", "\\*") if carried.NAME in sides else ""
    return f"{origin(saved)}\n\n{markdown(rows)}{note}"


def origin(saved: Saved) -> str:
    """Return the line that says when and on what figures were made, and whether they are to be trusted."""
    machine, day = saved["machine"], time.strftime("%Y-%m-%d", time.gmtime(saved["time"]))
    state = (
        ""
        if saved["facts"].get("quiet")
        else " **Preliminary: other work ran on the machine; only ratios mean something.**"
    )
    return f"{day}, {machine['cores']} cores of {machine['cpu']}, Python {machine['python']}.{state}"


def markdown(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as a Markdown table, numbers to the right."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    numeric = {name: all(isinstance(row.get(name, 0), int | float) for row in rows) for name in columns}
    lines = [columns, ["---:" if numeric[name] else "---" for name in columns]]
    lines += [[_text(row.get(name)) for name in columns] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def without(row: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name not in names}


def _short(row: Mapping[str, Any]) -> str:
    return f"{_text(float(row['req/s']))}, {row['SSIMULACRA2']:.0f}" if "req/s" in row else "–"


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return "" if value is None else str(value).replace("*", "\\*")


_RENDER: dict[str, Callable[[Saved], str]] = {"cells": by_cell, "overview": overview}
_SOURCE = {"overview": "cells"}

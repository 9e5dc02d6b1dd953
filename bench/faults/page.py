"""Writes what was found into the guide: each case has a line in the table of proofs, whose last cell is made here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from bench.faults.field import Row

GUIDE = Path(__file__).resolve().parents[2] / "docs" / "overload.md"


def filled(text: str, case: str, rows: Sequence[Row], when: str) -> str:
    """Return the guide with what was found in the line of a case; raises LookupError if the table has no such line."""
    line = re.compile(rf"^(\| `[^`]*--case {case}` \|[^|]*\|).*$", re.MULTILINE)
    if not line.search(text):
        raise LookupError(f"{GUIDE.name} has no line for `--case {case}` in its table of proofs")
    judged = "; ".join(_told(row, row["case"].removeprefix(case).strip()) for row in rows if row["target"])
    return line.sub(lambda match: f"{match[1]} {judged} ({when}) |", text)


def _told(row: Row, part: str) -> str:
    found = "never" if row["found"] is None else f"{row['found']:.4g}"
    told = f"{part + ': ' if part else ''}{row['what']}: {found}, goal {row['target']}"
    return told if row["verdict"] == "holds" else f"**{told}: missed**"

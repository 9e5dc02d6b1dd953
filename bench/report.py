"""What a benchmark prints and keeps: a table for people, and the same figures with facts of the machine as JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any


def report(name: str, rows: Sequence[Mapping[str, Any]], **facts: Any) -> None:
    """Print rows as a table and write them to $BENCH_JSON (scripts/bench sets it)."""
    print(table(rows))
    target = os.environ.get("BENCH_JSON")
    if target:
        body = {"name": name, "time": int(time.time()), "machine": machine(), "facts": facts, "rows": list(rows)}
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text(json.dumps(body, indent=1) + "\n")


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows as aligned columns; numbers to the right, floats to three figures."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_text(row.get(name)) for name in columns] for row in rows)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(columns))]
    lines = ["  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)) for line in cells]
    return "\n".join(lines)


def machine() -> dict[str, Any]:
    model = next((line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")), "")
    return {"cpu": model, "cores": os.cpu_count(), "system": platform.platform(), "python": platform.python_version()}


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.exists() else []


def _text(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"
    return "" if value is None else str(value)

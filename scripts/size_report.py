"""Reports how large things are: functions, files, tests against source. Aims, not a gate (see STYLE in CONTRIBUTING.md)."""

from __future__ import annotations

import ast
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LONGEST_FUNCTION = 70
LONGEST_FILE = 400


def functions(file: Path) -> Iterator[tuple[int, str]]:
    """Yield the length in lines, without docstring, and the place of each function of a file."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield length(node), f"{file.relative_to(ROOT)}:{node.lineno} {node.name}"


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    total = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if ast.get_docstring(node) is not None:
        total -= (first.end_lineno or first.lineno) - first.lineno + 1
    return total


def lines(files: list[Path]) -> int:
    return sum(1 for file in files for line in file.read_text().splitlines() if line.strip())


def report() -> str:
    source = sorted((ROOT / "src").rglob("*.py"))
    tests = sorted((ROOT / "tests").rglob("*.py"))
    found = sorted(one for file in source for one in functions(file))
    sizes = [size for size, _ in found]
    p90 = sizes[int(0.9 * (len(sizes) - 1))]
    long_files = [(len(f.read_text().splitlines()), f.relative_to(ROOT)) for f in source]
    long_files = sorted(pair for pair in long_files if pair[0] > LONGEST_FILE)
    ratio = lines(tests) / max(1, lines(source))
    out = [
        f"functions: {len(sizes)}, median {statistics.median(sizes):g} lines (aim 9), p90 {p90} (35), max {sizes[-1]} (70)",
        f"files: {len(source)}, source {lines(source)} lines, tests {lines(tests)} lines, ratio {ratio:.2f} (aim 1.3)",
    ]
    out += [
        f"  longer than {LONGEST_FUNCTION} lines: {place} ({size})" for size, place in found if size > LONGEST_FUNCTION
    ]
    out += [f"  file longer than {LONGEST_FILE} lines: {place} ({size})" for size, place in long_files]
    return "\n".join(out)


if __name__ == "__main__":
    sys.stdout.write(report() + "\n")

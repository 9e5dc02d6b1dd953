"""Make golden facts: `python -m tests.golden.make --only NAME`. Look at the pictures (--sheet) before you commit them."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from PIL import Image as Pillow
from PIL import ImageDraw

from tests.e2e.node import Node, running
from tests.golden import facts, sources
from tests.golden.cases import CASES, TOML

FILE = Path(__file__).with_name("golden.json")
_CELL = 150


def kept() -> dict[str, dict[str, Any]]:
    """Return the golden facts by URL."""
    found: dict[str, dict[str, Any]] = json.loads(FILE.read_text()) if FILE.exists() else {}
    return found


@contextmanager
def golden_node(folder: Path) -> Iterator[Node]:
    """Run a node that serves the golden sources to the golden tenants."""
    sources.write(folder / "sources")
    with running(folder, TOML.format(sources=folder / "sources")) as node:
        yield node


def main(arguments: list[str]) -> int:
    """Make the facts of the cases asked for and keep them in golden.json."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.make", description=__doc__)
    parser.add_argument("--only", action="append", help="name of a case, or a pattern; may be given again", default=[])
    parser.add_argument("--all", action="store_true", help="make every case")
    parser.add_argument("--sheet", type=Path, help="write the pictures to this PNG, to be looked at")
    asked = parser.parse_args(arguments)
    names = [name for name in CASES if asked.all or any(fnmatch(name, pattern) for pattern in asked.only)]
    if not names:
        parser.error(f"name a case with --only, or ask for --all; cases are: {', '.join(CASES)}")
    with tempfile.TemporaryDirectory() as folder, golden_node(Path(folder)) as node:
        bodies = {name: _body(node, name) for name in names}
    goldens = kept() | {CASES[name].url: facts.of_answer(*bodies[name]).to_json() for name in names}
    urls = {case.url for case in CASES.values()}
    FILE.write_text(json.dumps({url: goldens[url] for url in sorted(goldens) if url in urls}, indent=0) + "\n")
    if asked.sheet:
        _sheet({name: body for name, (_, body) in bodies.items()}).save(asked.sheet)
    print(f"{len(names)} made; look at them before you commit {FILE.name}")  # noqa: T201
    return 0


def _body(node: Node, name: str) -> tuple[str, bytes]:
    answer = node.ask(CASES[name].url)
    if answer.status != 200:
        raise SystemExit(f"{name}: {answer.status} {answer.headers.get('x-tintype-error')}")
    return answer.headers["content-type"], answer.body


def _sheet(bodies: dict[str, bytes]) -> Pillow.Image:
    across = 10
    rows = -(-len(bodies) // across)
    sheet = Pillow.new("RGB", (across * _CELL, rows * (_CELL + 14)), (200, 200, 200))
    for i, (name, body) in enumerate(bodies.items()):
        left, top = i % across * _CELL, i // across * (_CELL + 14)
        frame = facts.frames_of(body)[-1]
        frame.thumbnail((_CELL - 4, _CELL - 4))
        sheet.paste(frame, (left, top + 12), frame)
        ImageDraw.Draw(sheet).text((left, top), f"{name} {frame.width}x{frame.height}", fill=(0, 0, 0))
    return sheet


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

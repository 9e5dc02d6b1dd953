"""Checks that links in the Markdown of this repository lead somewhere: files that exist, headings that exist."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parent.parent
_LINK = re.compile(r"!?\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)")
_FENCE = re.compile(r"^(```|~~~).*?^\1", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6}\s+(.+?)\s*#*$", re.MULTILINE)
_ID = re.compile(r"<a (?:id|name)=\"([^\"]+)\"")


def documents() -> list[Path]:
    """Return the Markdown files that git knows or would take."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return [ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


def anchors(file: Path) -> set[str]:
    """Return the anchors of a file as GitHub makes them."""
    text = _FENCE.sub("", file.read_text("utf-8"))
    found: set[str] = set(_ID.findall(text))
    for heading in _HEADING.findall(text):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = 0
        while (name := slug if number == 0 else f"{slug}-{number}") in found:
            number += 1
        found.add(name)
    return found


def broken(file: Path) -> Iterator[str]:
    """Yield what is wrong with the links of a file. Links to other sites are not followed."""
    text = _FENCE.sub("", file.read_text("utf-8"))
    shown = file.relative_to(ROOT) if file.is_relative_to(ROOT) else file
    for target in _LINK.findall(re.sub(r"`[^`\n]*`", "", text)):
        if re.match(r"[a-z][a-z0-9+.-]*:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        goal = (file.parent / path).resolve() if path else file
        if not goal.exists():
            yield f"{shown}: {target} does not exist"
        elif anchor and goal.suffix == ".md" and anchor not in anchors(goal):
            yield f"{shown}: {target} has no such heading"


def main(arguments: list[str]) -> int:
    """Check the files given, or all of the repository's."""
    files = [Path(name).resolve() for name in arguments] or documents()
    complaints = [complaint for file in files for complaint in broken(file)]
    for complaint in complaints:
        print(complaint)
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Not over-careful: what imgproxy shows of the corpus is shown here too, and no less of it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench import node

FOLDERS = ("hostile", "odd", "orientation", "photos")
# As counted with imgproxy 4.0.12 over the 369 files.
IMGPROXY_SHOWS = 180


@pytest.fixture(scope="module")
def shown(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[set[str]]:
    """Files that a node shows, as folder/name."""
    files = [f"{folder}/{file.name}" for folder in FOLDERS for file in sorted((corpus / folder).iterdir())]
    assert len(files) == 369
    with node.running(tmp_path_factory.mktemp("shown"), {"sources.local_root": corpus}) as running:
        asked = ((file, running.path(f"local:///{file}", width=100, format="png", plain=True)) for file in files)
        yield {file for file, path in asked if running.ask(path)[0] == 200}


def test_as_many_files_as_imgproxy(shown: set[str]) -> None:
    assert len(shown) >= IMGPROXY_SHOWS


def test_every_file_that_imgproxy_was_seen_to_show(shown: set[str], spec: Path) -> None:
    lines = (spec / "imgproxy_cases.tsv").read_text().splitlines()[1:]
    seen = {
        match[1]
        for path, status, *_ in (line.split("\t") for line in lines)
        if status == "200" and (match := re.search(r"/plain/local:///([^@]+)", path))
    }
    assert len(seen) > 90
    assert seen <= shown

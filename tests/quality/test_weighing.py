"""The bench that the encoders' settings rest on works, and its page is made from what it found."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from bench.candidates import CANDIDATES
from bench.encoders import page

from tests.conftest import ROOT


def test_every_candidate_is_weighed_and_shown(tmp_path: Path) -> None:
    out = tmp_path / "encoders.json"
    command = [sys.executable, "-m", "bench.encoders", "--quick", "--out", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, timeout=120, capture_output=True)
    saved = json.loads(out.read_text())
    for kind, candidates in CANDIDATES.items():
        rows = [row for row in saved["rows"] if row["format"] == kind]
        assert {row["settings"] for row in rows} == {each.name for each in candidates}
        assert all(row["ms"] > 0 and row["KB"] > 0 for row in rows)
    text = page(saved, "before\n<!-- encoders -->\nold\n<!-- /encoders -->\nafter\n")
    assert text.startswith("before\n<!-- encoders -->\n")
    assert text.endswith("<!-- /encoders -->\nafter\n")
    assert "old" not in text
    assert "**WEBP, alpha**" in text
    assert "**JPEG, alpha**" not in text


def test_the_page_has_the_settings_that_are_weighed() -> None:
    text = (ROOT / "docs" / "encoders.md").read_text("utf-8")
    for candidates in CANDIDATES.values():
        assert all(each.name in text for each in candidates)

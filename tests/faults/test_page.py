"""The guide's table of proofs: what is found goes into the line of its case, whether it holds or not."""

from __future__ import annotations

import pytest
from bench.faults.__main__ import CASES
from bench.faults.field import at_least, at_most, told
from bench.faults.page import GUIDE, filled


@pytest.mark.parametrize("case", CASES)
def test_each_case_has_a_line_in_the_guide(case: str) -> None:
    rows = [at_least(case, "answered", 1.0, 0.9), at_most(f"{case} 2x", "late", None, 10), told(case, "beside", "much")]
    text = GUIDE.read_text()
    told_lines = filled(text, case, rows, "today").splitlines()
    [changed] = [line for line, before in zip(told_lines, text.splitlines(), strict=True) if line != before]
    assert f"--case {case}`" in changed
    assert changed.endswith("| answered: 1, goal >= 0.9; **2x: late: never, goal <= 10: missed** (today) |")


def test_a_case_without_a_line_is_not_forgotten() -> None:
    with pytest.raises(LookupError, match="--case other"):
        filled("| `python -m bench.faults --case one` | this | |", "other", [], "today")

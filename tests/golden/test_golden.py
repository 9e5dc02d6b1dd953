"""Every golden case, asked of a real node, against what was kept of it. A case without golden facts fails."""

from __future__ import annotations

import pytest

from tests.e2e.node import Node
from tests.golden import facts
from tests.golden.cases import CASES
from tests.golden.make import kept


@pytest.mark.parametrize("name", CASES)
def test_golden(golden: Node, name: str) -> None:
    case = CASES[name]
    make = f"python -m tests.golden.make --only {name} --sheet /tmp/{name}.png"
    answer = golden.ask(case.url)
    assert answer.status == 200, answer.headers.get("x-tintype-error")
    golden_facts = kept().get(case.url)
    assert golden_facts is not None, f"no golden facts of {case.url}; make them, and look at the picture: {make}"
    want, got = facts.of_json(golden_facts), facts.of_answer(answer.headers["content-type"], answer.body)
    for fact in ("type", "width", "height", "frames", "bits"):
        assert getattr(got, fact) == getattr(want, fact), fact
    mean, most = facts.distance(got, want)
    assert mean <= case.mean, f"mean {mean:.2f}, most {most:.0f}; if that is meant: {make}"
    assert most <= case.most, f"mean {mean:.2f}, most {most:.0f}; if that is meant: {make}"


def test_no_golden_facts_are_left_over() -> None:
    assert set(kept()) <= {case.url for case in CASES.values()}

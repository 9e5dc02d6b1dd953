"""How far a mix is from another one, and what of that chance does."""

from __future__ import annotations

import random
from collections import Counter
from itertools import islice
from statistics import pstdev

import pytest
from bench.mixes import MIXED, UNIFORM, chance, drawn, skew

ASKED = Counter({kind.name: round(1000 * kind.part) for kind in MIXED})


def test_kinds_come_in_their_parts_and_in_no_rounds() -> None:
    names = [kind.name for kind in islice(drawn(MIXED), 1000)]
    assert Counter(names) == ASKED
    assert len({tuple(names[at : at + 10]) for at in range(0, 1000, 10)}) > 90


def test_a_mix_is_off_by_the_work_of_what_is_answered_too_seldom() -> None:
    assert skew(MIXED, ASKED, ASKED) == 0
    assert skew(MIXED, ASKED, Counter({name: count // 10 for name, count in ASKED.items()})) == pytest.approx(0)
    assert skew(MIXED, ASKED, ASKED - Counter(large=50)) == pytest.approx(16 / 36.7 - 8 / 28.7)
    assert skew(UNIFORM, Counter({"2k": 9}), Counter({"2k": 1})) == 0


@pytest.mark.parametrize("answered", [100, 500, 1000])
def test_who_answers_by_lot_is_off_by_as_much_as_chance_is_said_to_do(answered: int) -> None:
    rng, names = random.Random(answered), list(ASKED.elements())
    lots = [Counter(rng.sample(names, answered)) for _ in range(400)]
    said = chance(MIXED, ASKED, lots[0])
    large = [160 * lot["large"] / sum(kind.ms * lot[kind.name] for kind in MIXED) for lot in lots]
    assert 2 * pstdev(large) == pytest.approx(said, rel=0.15)
    assert sum(skew(MIXED, ASKED, lot) <= said for lot in lots) >= 0.92 * len(lots)

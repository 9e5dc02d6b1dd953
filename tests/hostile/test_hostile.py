"""Hostile inputs through a real node: whatever they are, the answer is an image or a typed 4xx, in time and within bounds."""

from __future__ import annotations

import itertools

import pytest
from bench import node
from bench.bombs import FROM_HEADER, bombs, refusal
from bench.hostile import Findings, bomb_inputs, check, judged, problems
from bench.load import Answer
from bench.mutants import Mutants, own_pictures, pictures

SEED = 31_415
COUNT = 500
_DEADLINE_S = 60.0  # a machine may be busy with other tests


def run(mutants: Mutants, start: int, count: int, *, with_bombs: bool) -> Findings:
    inputs = bomb_inputs() if with_bombs else []
    found = check(itertools.chain(inputs, map(mutants.input, range(start, start + count))), deadline_s=_DEADLINE_S)
    wrong = problems(found, count=count + len(inputs))
    assert not wrong, f"seed {SEED}:\n" + "\n".join(wrong)
    return found


def test_damaged_images_and_bombs_end_in_an_image_or_a_typed_refusal() -> None:
    """Everything of the corpus that is broken or odd, damage done to it, and bombs; our own pictures without a corpus."""
    pool = pictures()
    start = max(0, len(pool) - COUNT // 2)  # half as they are, half damaged
    found = run(Mutants(SEED, pool), start, COUNT, with_bombs=True)
    assert node.total(found.metrics, "engine_jobs_total", result="deadline") == 0
    shown = sum(count for (status, _), count in found.rows.items() if status == 200)
    assert 20 < shown < COUNT
    assert {code for status, code in found.rows if status == 422} >= {"broken_image", "image_too_large"}


def test_damage_is_the_same_for_the_same_number() -> None:
    pool = own_pictures()
    one, other = Mutants(SEED, pool), Mutants(SEED, list(pool))
    assert [one.input(n) for n in range(100, 150)] == [other.input(n) for n in range(100, 150)]
    assert one.input(120) != Mutants(SEED + 1, pool).input(120)


BOMBS = dict(bombs())


@pytest.mark.parametrize("name", sorted(FROM_HEADER & BOMBS.keys()))
def test_a_header_gives_a_bomb_away(name: str) -> None:
    """CPU time, best of five, so that a busy machine does not matter; in truth it is about a millisecond."""
    found = min((refusal(BOMBS[name]) for _ in range(5)), key=lambda one: one.cpu_ms)
    assert found.code == "image_too_large"
    assert found.cpu_ms < 50


def test_a_fine_image_is_shown() -> None:
    found = run(Mutants(SEED, [("fine.png", own_pictures()[4][1])]), 0, 1, with_bombs=False)
    assert [status for status, _ in found.rows] == [200]


TYPED = {"x-tintype-error": "broken_image: it is"}


@pytest.mark.parametrize(
    ("status", "headers", "body", "seconds", "wrong"),
    [
        (422, TYPED, b"", 1.0, ""),
        (404, {}, b"", 1.0, "without X-Tintype-Error"),
        (500, TYPED, b"", 1.0, "status 500"),
        (503, TYPED, b"", 1.0, "status 503"),
        (429, TYPED, b"", 1.0, "status 429"),
        (422, TYPED, b"", 60.0, "after 60"),
        (200, {"content-type": "image/png"}, own_pictures()[4][1], 1.0, ""),
        (200, {"content-type": "image/png"}, own_pictures()[4][1][:99], 1.0, "does not decode"),
        (200, {"content-type": "text/html"}, b"<p>", 1.0, "an answer of type"),
    ],
)
def test_the_judge_sees_what_is_wrong(
    status: int, headers: dict[str, str], body: bytes, seconds: float, wrong: str
) -> None:
    said = judged(Answer("/", status, headers, body, seconds))
    assert wrong in said
    assert bool(said) is bool(wrong)

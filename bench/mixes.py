"""Mixes of requests: their kinds, the order these come in, and how far the mix that was answered is from the one asked for."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.cells import Want


@dataclass(frozen=True)
class Kind:
    """A kind of request: its source, what is made of it, its part of the requests, and CPU ms of one, for weighing."""

    name: str
    source: str
    want: Want
    part: float
    ms: float


UNIFORM = (Kind("2k", "jpeg2k", Want.of("jpg"), 1.0, 1.0),)
MIXED = (
    Kind("thumb", "jpeg1k", Want.of("jpg", 160), 0.6, 12.0),
    Kind("2k", "jpeg2k", Want.of("jpg"), 0.3, 45.0),
    Kind("large", "jpeg12", Want.of("webp", 1280), 0.1, 160.0),
)
MIXES = {"uniform": UNIFORM, "mixed": MIXED}


def drawn(mix: Sequence[Kind]) -> Iterator[Kind]:
    """Yield kinds for ever: a hundred at a time in the parts of the mix, in any order, as nobody's visitors come in rounds.

    Where they do, a server that lets in what it has room for finds the same kind at the same place of each round.
    """
    lot = random.Random(0)
    while True:
        hundred = [kind for kind in mix for _ in range(round(100 * kind.part))]
        lot.shuffle(hundred)
        yield from hundred


def work(mix: Sequence[Kind], counts: Counter[str]) -> dict[str, float]:
    """Return what so many requests of each kind take, by kind, in ms."""
    return {kind.name: counts[kind.name] * kind.ms for kind in mix}


def parts(mix: Sequence[Kind], counts: Counter[str]) -> dict[str, float]:
    """Return each kind's part of the work."""
    each = work(mix, counts)
    return {name: ms / (sum(each.values()) or 1) for name, ms in each.items()}


def skew(mix: Sequence[Kind], asked: Counter[str], answered: Counter[str]) -> float:
    """Return the largest difference between a kind's part of the work that was asked for and its part of what was answered."""
    offered, served = parts(mix, asked), parts(mix, answered)
    return max(abs(served[kind.name] - offered[kind.name]) for kind in mix)


def chance(mix: Sequence[Kind], asked: Counter[str], answered: Counter[str]) -> float:
    """Return what the skew of a server hardly exceeds that answers as many, drawn by lot: twice its standard deviation.

    A part is a ratio of sums over a sample without replacement (Cochran: Sampling Techniques, 1977, section 6.4).
    """
    count, total = max(1, answered.total()), asked.total()
    return 2 * math.sqrt(max(0.0, 1 - count / total) / count * max(_spread(mix, asked, kind) for kind in mix))


def _spread(mix: Sequence[Kind], asked: Counter[str], kind: Kind) -> float:
    """Return the variance of what one request that is drawn adds to a kind's part of the work."""
    total, own = asked.total(), parts(mix, asked)[kind.name]
    mean = sum(work(mix, asked).values()) / total
    return sum(asked[one.name] / total * (one.ms / mean * ((one is kind) - own)) ** 2 for one in mix)

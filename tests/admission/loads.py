"""Loads for the simulation: seeded traffic of one asker or of many."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tintype.admission.asker import Asker
from tintype.core.pipeline import Pipeline, Resize, SourceRef


@dataclass(frozen=True)
class Work:
    """One request: what it is predicted to take and what it takes, in milliseconds of a worker, and its fetch in seconds."""

    predicted_ms: float
    takes_ms: float
    fetch_s: float = 0.02
    kind: str = "photo"
    peak_bytes: float = 0.0
    key: str = ""  # of the result; asked for again, it is waited for or, once made, there
    known: bool = False  # its source is there, so that nothing is fetched


@dataclass(frozen=True)
class Stream:
    """Requests of one asker at a mean rate (Poisson) between two times. Who is refused tries again, up to so many times."""

    asker: Asker
    per_s: float
    work: Callable[[random.Random], Work]
    begins_s: float = 0.0
    ends_s: float = float("inf")
    patience_s: float = 10.0
    tries: int = 1


def steady(
    ms: float,
    *,
    spread: float = 0.3,
    wrong: float = 1.0,
    fetch_s: float = 0.02,
    peak_bytes: float = 0.0,
    known: bool = False,
) -> Callable[[random.Random], Work]:
    """Return work that takes about so long, spread by a part of it, and predicted as `wrong` times as much."""

    def work(rng: random.Random) -> Work:
        takes = ms * (1 - spread + 2 * spread * rng.random())
        return Work(takes * wrong, takes, fetch_s, f"{ms}", peak_bytes, known=known)

    return work


def asks(url: str, width: int) -> Asker:
    """Return who asks for images of a kind, all of them as one tenant and client."""
    return Asker("a", pipeline=Pipeline.of(SourceRef(url=url), Resize(width=width)))


def tenants(count: int, per_s: float, work: Callable[[random.Random], Work]) -> Iterator[Stream]:
    for number in range(count):
        yield Stream(Asker(f"tenant{number}"), per_s, work)

"""The questions that `bench.compare` answers beside cold requests: one function each, from peers and effort to rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bench.ceiling import hits
from bench.field import Effort
from bench.parts import parts
from bench.peers import Peer
from bench.strain import memory, neighbours, slow_origin
from bench.variants import once, promotion, rung, session, together

MODES: dict[str, Callable[[Sequence[Peer], Effort], list[dict[str, Any]]]] = {
    "parts": parts,
    "rung": rung,
    "session": session,
    "once": once,
    "together": together,
    "promotion": promotion,
    "hits": hits,
    "slow-origin": slow_origin,
    "memory": memory,
    "neighbours": neighbours,
}


def told() -> Iterator[tuple[str, str]]:
    """Yield every mode with its sentence."""
    yield "cells", "Ask for variants of sources that nobody has seen (the default)."
    for name, mode in MODES.items():
        yield name, (mode.__doc__ or "").partition("\n")[0]

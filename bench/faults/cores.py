"""Cores taken away: half of them are busied by something else while the node is asked for twice what it could do.

The new capacity is what the node does with these cores right before and right after, as machines change their speed from minute
to minute: what a few connections get, or what is answered in time where half as much again is asked for, whichever is more. It is
not the most of many looks, which would be what the machine does at its fastest. The client has the same cores, and more requests
are more work for it: what it takes of the cores beyond what it took while that was found out is taken off.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from bench.faults.field import Field, Row, at_least, told
from bench.overload import Asking, closed, left
from bench.peers import CORES

_TIMES = 2.0
_TAKEN = max(1, CORES // 2)
_WITHIN_S = 10
_LOOK_S = 6.0  # at what the node can do, before and after, in each of two ways
_MORE = 1.5  # of what a few connections get, is asked for in the second way
_CALM_S = 2.0  # until what was asked for too much is done


@dataclass(frozen=True)
class _Look:
    """What the node can do, in answers in time a second, and what the client took for it, in cores."""

    per_s: float
    client: float


@contextlib.contextmanager
def _busied() -> Iterator[None]:
    """Busy half of the cores until the block ends."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(_TAKEN)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def cores(field: Field) -> Iterator[Row]:
    """Take half of the cores away in the middle of too much load; find out before and after what can be done with the rest."""
    before_s, after_s = int(field.seconds(20, 4)), int(field.seconds(20, 4))
    total_s = before_s + _WITHIN_S + after_s
    with field.origin() as base, field.serving(base) as server:
        asking = field.asking(server)
        whole = field.capacity(asking, server.port, "renders")
        with _busied():
            looks = [_look(field, asking, server.port)]
        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(field.attack, asking, _TIMES * whole, total_s)
            time.sleep(before_s)
            with _busied():
                heard = loading.result()
                looks.append(_look(field, asking, server.port))
    half, calm = (
        sum(figures) / len(looks) for figures in ([one.per_s for one in looks], [one.client for one in looks])
    )
    later = sum(heard.each_s[second] for second in range(before_s + _WITHIN_S, total_s)) / after_s / half
    rest = left(heard.client_s / heard.seconds - calm, max(1, CORES - _TAKEN))
    first = sum(heard.each_s[second] for second in range(before_s)) / before_s
    yield at_least("cores", "10 s later in time, of what the client leaves of the new capacity", later / rest, 0.9)
    yield told("cores", "of all of it", later)
    yield told("cores", "before that in time, of the old", first / whole)
    yield told("cores", "new capacity, of the old", half / whole)
    yield told("cores", "in each second, of the new", " ".join(f"{heard.each_s[s] / half:.2f}" for s in range(total_s)))


def _look(field: Field, asking: Asking, port: int) -> _Look:
    time.sleep(_CALM_S)
    few = closed(asking, port, _LOOK_S)
    more = field.attack(asking, _MORE * few, _LOOK_S)
    time.sleep(_CALM_S)
    return _Look(max(few, more.per_s), more.client_s / more.seconds)

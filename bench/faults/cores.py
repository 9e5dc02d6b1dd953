"""Cores taken away: half of them are busied by something else while the node is asked for twice what it could do."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from bench.faults.field import Field, Row, at_least, told
from bench.overload import closed

_TIMES = 3.0
_WITHIN_S = 10
_LOOK_S = 4.0  # at what a few connections get, before and after


@contextlib.contextmanager
def _busied() -> Iterator[None]:
    """Busy half of the cores until the block ends."""
    count = max(1, (os.cpu_count() or 1) // 2)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def cores(field: Field) -> Iterator[Row]:
    """Find out what the node can do with half of the cores, then take them away in the middle of too much load."""
    before_s, after_s = int(field.seconds(20, 4)), int(field.seconds(20, 4))
    with field.origin() as base, field.serving(base) as server:
        asking = field.asking(server)
        whole = field.capacity(asking, server.port, "renders")
        with _busied():
            half = field.capacity(asking, server.port, "renders on half of the cores")
            about = closed(asking, server.port, _LOOK_S)
        total_s = before_s + _WITHIN_S + after_s
        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(field.attack, asking, _TIMES * whole, total_s)
            time.sleep(before_s)
            with _busied():
                heard = loading.result()
                # Machines change their speed from minute to minute.
                half *= closed(asking, server.port, _LOOK_S) / about
    later = sum(heard.each_s[second] for second in range(before_s + _WITHIN_S, total_s)) / after_s
    yield at_least("cores", "10 s later in time, of the new capacity", later / half, 0.9)
    yield told(
        "cores", "before that in time, of the old", sum(heard.each_s[s] for s in range(before_s)) / before_s / whole
    )
    yield told("cores", "new capacity, of the old", half / whole)

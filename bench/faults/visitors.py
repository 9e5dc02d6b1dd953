"""Visitors who try again when they are refused: open-loop, a connection for each attempt."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from bench.openload import IN_TIME_S, Due

EXPECTED = frozenset({200, 429, 503})
_TRIES = 3
_PAUSE_S = (0.1, 0.3)  # shorter than any Retry-After: they do not listen
_TIMEOUT_S = 10.0
_TOLD, _TOLD_BYTES = 20, 300  # of answers that are none of 200, 429 and 503: so many, and so much of each


@dataclass
class Visits:
    """What became of them, by the second of the load they began in."""

    began: Counter[int] = field(default_factory=Counter)
    in_time: Counter[int] = field(default_factory=Counter)
    attempts: Counter[int] = field(default_factory=Counter)  # by status; 0: no answer
    odd: list[str] = field(default_factory=list)  # what the first of other statuses said, and after how long

    def normal_after(self, part: float, last: int) -> int | None:
        """Return the second from which on, up to the last, that part of them is answered in time; None: never."""
        good = [self.in_time[second] >= part * self.began[second] for second in range(last)]
        return next((second for second in range(last) if all(good[second:])), None)


async def visit(due: Iterator[Due], per_s: float, seconds: float) -> Visits:
    """Have visitors come at a steady rate; returns when the last has given up or has what it came for."""
    visits, began = Visits(), time.monotonic()
    tasks = []
    for number in range(int(per_s * seconds)):
        await asyncio.sleep(max(0.0, began + number / per_s - time.monotonic()))
        tasks.append(asyncio.ensure_future(_visitor(next(due).url, int(number / per_s), visits)))
    await asyncio.gather(*tasks)
    return visits


async def _visitor(url: str, second: int, visits: Visits) -> None:
    visits.began[second] += 1
    came = time.monotonic()
    for _ in range(_TRIES):
        asked = time.monotonic()
        status, said = await _asked(url)
        visits.attempts[status] += 1
        if status not in EXPECTED and len(visits.odd) < _TOLD:
            visits.odd.append(f"second {second}, after {time.monotonic() - asked:.2f} s, {url}: {said}")
        if status == 200:
            visits.in_time[second] += time.monotonic() - came <= IN_TIME_S
            return
        await asyncio.sleep(random.uniform(*_PAUSE_S))


async def _asked(url: str) -> tuple[int, str]:
    """Return the status of an answer that was read to its end (0: there is none), and how it begins, or what went wrong."""
    host, _, path = url.removeprefix("http://").partition("/")
    name, _, port = host.partition(":")
    try:
        async with asyncio.timeout(_TIMEOUT_S):
            reader, writer = await asyncio.open_connection(name, int(port))
            try:
                writer.write(f"GET /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
                answer = await reader.read(-1)
            finally:
                writer.close()
    except (OSError, TimeoutError) as error:
        return 0, repr(error)
    said = answer[:_TOLD_BYTES].decode("latin-1")
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0, said

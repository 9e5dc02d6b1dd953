"""A small HTTP/1.1 load generator: keep-alive connections that each ask for the next path as soon as they have an answer."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

_ANSWER_S = 60.0
_RETRY_S = 0.05


class Ask(NamedTuple):
    """A request of its own: its path, and header lines, each with its line end."""

    path: str
    lines: str = ""


class Answer(NamedTuple):
    """One answer; headers with lower-case names."""

    path: str
    status: int
    headers: dict[str, str]
    body: bytes
    seconds: float


@dataclass
class Tally:
    """What a load found. `refused`: connects that failed; `broken`: connections that ended before their answer did."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    refused: int = 0
    broken: int = 0
    body_bytes: int = 0
    took_s: float = 0.0

    @property
    def count(self) -> int:
        return sum(self.statuses.values())

    @property
    def per_s(self) -> float:
        return self.count / self.took_s if self.took_s else 0.0

    def percentile_ms(self, percent: float) -> float:
        """Return a percentile of answer times in milliseconds, 0 if there are none."""
        ordered = sorted(self.seconds)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000 if ordered else 0.0


class Load:
    """Asks for paths over `connections` until they are all asked for, or `seconds` have passed.

    With `patient`, a connection that is refused or breaks is tried again: a node may be starting.
    """

    def __init__(
        self,
        port: int,
        paths: Iterator[str | Ask],
        *,
        connections: int,
        seconds: float = 0.0,
        headers: Mapping[str, str] | None = None,
        heard: Callable[[Answer], None] | None = None,
        patient: bool = False,
    ) -> None:
        self.tally = Tally()
        self._port, self._paths, self._connections, self._seconds = port, paths, connections, seconds
        lines = {"Host": f"127.0.0.1:{port}", "Connection": "keep-alive", **(headers or {})}
        self._head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._heard = heard
        self._patient = patient
        self._until = float("inf")

    async def run(self) -> Tally:
        began = time.perf_counter()
        if self._seconds:
            self._until = began + self._seconds
        await asyncio.gather(*(self._connection() for _ in range(self._connections)))
        self.tally.took_s = time.perf_counter() - began
        return self.tally

    def stop(self) -> None:
        """Ask for nothing more. From any thread."""
        self._until = 0.0

    async def _connection(self) -> None:
        pair: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while (ask := self._next()) is not None:
            while time.perf_counter() < self._until:
                try:
                    pair = pair or await asyncio.open_connection("127.0.0.1", self._port, limit=1 << 20)
                except OSError:
                    self.tally.refused += 1
                    await self._wait_a_little()
                    continue
                try:
                    await asyncio.wait_for(self._ask(pair, ask), _ANSWER_S)
                except (OSError, asyncio.IncompleteReadError, ValueError, TimeoutError):
                    self.tally.broken += 1
                    pair[1].close()
                    pair = None
                    await self._wait_a_little()
                    continue
                break
        if pair:
            pair[1].close()

    async def _wait_a_little(self) -> None:
        if not self._patient:
            raise RuntimeError("the node does not answer")
        await asyncio.sleep(_RETRY_S)

    def _next(self) -> Ask | None:
        found = next(self._paths, None) if time.perf_counter() < self._until else None
        return Ask(found) if isinstance(found, str) else found

    async def _ask(self, pair: tuple[asyncio.StreamReader, asyncio.StreamWriter], ask: Ask) -> None:
        reader, writer = pair
        path, more = ask
        began = time.perf_counter()
        writer.write(f"GET {path} HTTP/1.1\r\n{self._head}{more}\r\n".encode("latin-1"))
        first, *lines = (await reader.readuntil(b"\r\n\r\n"))[:-4].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        body = await reader.readexactly(int(headers.get("content-length", 0)))
        answer = Answer(path, int(first.split(" ", 2)[1]), headers, body, time.perf_counter() - began)
        tally = self.tally
        tally.statuses[answer.status] += 1
        tally.seconds.append(answer.seconds)
        tally.body_bytes += len(body)
        if self._heard:
            self._heard(answer)


def run(load: Load) -> Tally:
    """Run a load on a loop of its own."""
    return asyncio.run(load.run())

"""The front: more than it can do of hits, with some mezzanine and cold renders among them, and connections that come and go.

Hits come over as many connections as a few proxies have, and wait for one: at such rates a client with a connection for each
request under way would be busy with connecting alone, on the cores that the node wants. Renders wait for nothing.

The client shares the node's cores, and asked so it gets a third of what a few connections get, whatever it asks for. So the
bar is what it gets in the same way, at the same rates, when all are hits but as many renders as can be made: what is refused
must cost hits no more than hits in its place would. Of the capacity over a few connections it is told too.
"""

from __future__ import annotations

import itertools
import json
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from bench import hits, load
from bench.cells import Want, sources
from bench.faults.field import Field, Row, at_least, at_most, told
from bench.openload import Due, program, run
from bench.peers import Server

# Of the requests. Of the hits, some over a connection of their own.
_MEZZANINE, _COLD, _CHURN = 0.04, 0.01, 0.1
_CLIENTS, _PROXIED, _NEW = 64, 512, 128  # connections at once: to find the capacity, of hits, of those anew connected
_TIMES = (2, 5)
_SOURCES = 6


@dataclass(frozen=True)
class _Part:
    name: str
    due: Sequence[Due]
    per_s: float
    options: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Found:
    """What vegeta counted: so many, asked for at such a rate, by status; in time; the 99th percentile."""

    asked_per_s: float
    statuses: dict[str, int]
    in_time_per_s: float
    p99_ms: float

    @property
    def others(self) -> int:
        return sum(count for status, count in self.statuses.items() if status not in ("200", "429", "503"))


def front(field: Field) -> Iterator[Row]:
    """Find how many hits are answered at all, by the same client, then ask for multiples of that in a mix."""
    seconds = field.seconds(10, 3)
    with field.origin() as base, field.serving(base) as server:
        assert server.node is not None
        name = sources("jpeg2k", 1)[0].name
        known = _due(server, hits.prepare(server.node, f"{base}/hits/{name}"), "hit")
        cold, rungs = field.asking(server), _from_rungs(server)
        most = _counted(run(known, 0, seconds, field.folder, (), *_over(_CLIENTS)), seconds).in_time_per_s
        rendered = field.capacity(cold, server.port, "renders")
        yield told("front", "hits a second", most)
        for times in _TIMES:
            parts = [
                _Part("hits", known, times * most * (1 - _MEZZANINE - _COLD) * (1 - _CHURN), _over(_PROXIED)),
                _Part("hits anew connected", known, times * most * (1 - _MEZZANINE - _COLD) * _CHURN, _ANEW),
                _Part("mezzanine", _some(rungs, times * most * _MEZZANINE * seconds), times * most * _MEZZANINE),
                _Part("cold", _some(cold, times * most * _COLD * seconds), times * most * _COLD),
            ]
            made = _Part("rendered", _some(cold, rendered * seconds), rendered)
            alone = _at_once([*(replace(part, due=known) for part in parts), made], seconds, field.folder)
            time.sleep(2)
            yield from _judged(f"front {times}x", most, _hits(alone), _at_once(parts, seconds, field.folder))
            time.sleep(2)


def _over(connections: int) -> tuple[str, ...]:
    return "-max-workers", str(connections), "-connections", str(connections)


_ANEW = ("-keepalive=false", *_over(_NEW))


def _some(due: Iterator[Due], count: float) -> list[Due]:
    return list(itertools.islice(due, max(1, int(count))))


def _hits(found: dict[str, _Found]) -> float:
    return found["hits"].in_time_per_s + found["hits anew connected"].in_time_per_s


def _judged(case: str, most: float, alone: float, found: dict[str, _Found]) -> Iterator[Row]:
    known = [found["hits"], found["hits anew connected"]]
    yield at_least(case, "hits in time, of those where the rest are hits", _hits(found) / max(1.0, alone), 0.9)
    yield told(case, "hits in time, of capacity", _hits(found) / most)
    yield at_most(case, "hits refused", sum(one.statuses.get(code, 0) for one in known for code in ("429", "503")), 0)
    yield at_most(case, "answers other than 200, 429, 503", sum(one.others for one in found.values()), 0)
    for name, one in found.items():
        yield told(case, f"{name}: asked for, a second", one.asked_per_s)
        yield told(case, f"{name}: in time, a second", one.in_time_per_s)
        yield told(case, f"{name}: p99, ms", one.p99_ms)


def _due(server: Server, paths: Sequence[str], kind: str) -> list[Due]:
    return [Due(f"http://127.0.0.1:{server.port}{path}", kind) for path in paths]


def _from_rungs(server: Server) -> Iterator[Due]:
    """Yield variants that nobody asked for, of sources that were asked for often enough to have a smaller master."""
    names = [f"rungs/{file.name}" for file in sources("jpeg2k", _SOURCES)]
    wants = (Want("jpg", side, quality) for quality in itertools.count(40) for side in range(100, 500))
    asked = itertools.product(itertools.islice(wants, 40_000), names)
    paths = (server.path(name, want) for want, name in asked)
    load.run(load.Load(server.port, itertools.islice(paths, 6 * _SOURCES), connections=2))
    return iter(Due(f"http://127.0.0.1:{server.port}{path}", "mezzanine") for path in paths)


def _at_once(parts: Sequence[_Part], seconds: float, folder: Path) -> dict[str, _Found]:
    def one(part: _Part) -> _Found:
        own = folder / part.name.replace(" ", "-")
        own.mkdir(exist_ok=True)
        return _counted(run(part.due, part.per_s, seconds, own, (), *part.options), seconds)

    with ThreadPoolExecutor(len(parts)) as threads:
        return dict(zip((part.name for part in parts), threads.map(one, parts), strict=True))


def _counted(results: Path, seconds: float) -> _Found:
    """Have vegeta count: millions of results are too many to read here."""
    command = [str(program()), "report", "-type", "json", "-buckets", "[0,1s]", str(results)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    results.unlink()
    statuses = told["status_codes"]
    soon = told["buckets"]["0"] - sum(count for status, count in statuses.items() if status != "200")
    return _Found(told["rate"], statuses, max(0, soon) / seconds, told["latencies"]["99th"] / 1e6)

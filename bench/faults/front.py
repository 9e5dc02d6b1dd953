"""The front: more than it can do of hits, with some mezzanine and cold renders among them, and connections that come and go.

Hits come over as many connections as a few proxies have, and wait for one: at such rates a client with a connection for each
request under way would be busy with connecting alone, on the cores that the node wants. Renders wait for nothing.

The client shares the node's cores, and asked so it gets a third of what a few connections get, whatever it asks for. So the
bar is what it gets in the same way, at the same rates, when all are hits but as many renders as can be made: what is refused
must cost hits no more than hits in its place would. Of the capacity over a few connections it is told too.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence

from bench import hits, load
from bench.cells import Want, sources
from bench.faults.field import Field, Row, at_least, at_most, told
from bench.openload import Attack, Due, Heard, each_once, together
from bench.peers import Server

# Of the requests. Of the hits, some over a connection of their own.
_MEZZANINE, _COLD, _CHURN = 0.04, 0.01, 0.1
_CLIENTS, _PROXIED, _NEW = 64, 512, 128  # connections at once: to find the capacity, of hits, of those anew connected
_TIMES = (2, 5)
_NAMES = ("hits", "hits anew connected", "mezzanine", "cold")
_SOURCES = 6


def front(field: Field) -> Iterator[Row]:
    """Find how many hits are answered at all, by the same client, then ask for multiples of that in a mix."""
    seconds = field.seconds(10, 3)
    with field.origin() as base, field.serving(base) as server:
        assert server.node is not None
        name = sources("jpeg2k", 1)[0].name
        known = _due(server, hits.prepare(server.node, f"{base}/hits/{name}"), "hit")
        cold, rungs = field.asking(server), _from_rungs(server)
        [few] = together([Attack(known, 0, lasting_s=seconds, options=_over(_CLIENTS))], field.folder)
        rendered = field.capacity(cold, server.port, "renders")
        yield told("front", "hits a second", few.per_s)
        for times in _TIMES:
            per_s = times * few.per_s
            hits_per_s = per_s * (1 - _MEZZANINE - _COLD)
            hit = [
                Attack(known, hits_per_s * (1 - _CHURN), lasting_s=seconds, options=_over(_PROXIED)),
                Attack(known, hits_per_s * _CHURN, lasting_s=seconds, options=_ANEW),
            ]
            others = [each_once(rungs, per_s * _MEZZANINE, seconds), each_once(cold, per_s * _COLD, seconds)]
            in_their_place = [Attack(known, other.per_s, lasting_s=seconds) for other in others]
            alone = together([*hit, *in_their_place, each_once(cold, rendered, seconds)], field.folder)
            time.sleep(2)
            yield from _judged(f"front {times}x", few.per_s, alone, together([*hit, *others], field.folder))
            time.sleep(2)


def _over(connections: int) -> tuple[str, ...]:
    return "-max-workers", str(connections), "-connections", str(connections)


_ANEW = ("-keepalive=false", *_over(_NEW))


def _judged(case: str, most: float, alone: Sequence[Heard], heard: Sequence[Heard]) -> Iterator[Row]:
    known, other = heard[:2], heard[2:]
    hits_per_s = sum(one.per_s for one in known)
    yield at_least(
        case,
        "hits in time, of those where the rest are hits",
        hits_per_s / max(1.0, sum(one.per_s for one in alone[:2])),
        0.9,
    )
    yield told(case, "hits in time, of capacity", hits_per_s / most)
    yield at_most(case, "hits refused", sum(len(one.refused) for one in known), 0)
    yield at_most(case, "answers other than 200, 429, 503", sum(one.others.total() for one in heard), 0)
    for name, one in zip(_NAMES, heard, strict=True):
        yield told(case, f"{name}: asked for, a second", one.asked_per_s)
        yield told(case, f"{name}: in time, a second", one.per_s)
        yield told(case, f"{name}: p99, ms", one.good_ms(99) or 0.0)
    for name, one in zip(_NAMES[2:], other, strict=True):
        yield told(case, f"{name}: refused, p99, ms", one.refused_ms(99) or 0.0)


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

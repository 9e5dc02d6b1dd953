"""A purge of everything that is being asked for, at a rate that the workers could bear if nothing was kept."""

from __future__ import annotations

import http.client
import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

from bench.faults.field import Field, Row, at_most, told
from bench.node import Node
from bench.openload import attack

_LOAD = 0.7
_TURN_S = 4.0  # after which a result is asked for again


def purge(field: Field) -> Iterator[Row]:
    """Ask for known results in turn, and purge everything in the middle."""
    turns = int(field.seconds(10, 4))
    with field.origin() as base, field.serving(base) as server:
        assert server.node is not None
        asking = field.asking(server)
        per_s = _LOAD * field.capacity(asking, server.port, "renders")
        known = list(asking.some(per_s * _TURN_S))
        attack(known, per_s, field.folder)
        began = time.time()
        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(attack, known * turns, per_s, field.folder)
            time.sleep(1.5 * _TURN_S)
            purging = time.monotonic()
            everything(server.node)
            took_s = time.monotonic() - purging
            heard = loading.result()
        made = _made(server.node, began)
    yield at_most("purge", "refused", len(heard.refused), 0)
    yield at_most("purge", "other answers", sum(heard.others.values()), 0)
    yield at_most("purge", "renders of a result, at most", max(made.values(), default=0), 1)
    yield told("purge", "renders, of results", sum(made.values()) / len(known))
    yield told("purge", "the purge took, s", took_s)
    yield told("purge", "p99, ms", heard.good_ms(99))


def everything(node: Node) -> None:
    """Purge all that a node has."""
    connection = http.client.HTTPConnection("127.0.0.1", node.port, timeout=60)
    headers = {"Authorization": "Bearer admin", "Content-Type": "application/json"}
    connection.request("POST", "/v1/purge", b'{"all": true}', headers)
    status = connection.getresponse().status
    connection.close()
    if status != 200:
        raise RuntimeError(f"the purge was answered with {status}")


def _made(node: Node, since: float) -> Counter[str]:
    """Return how often each result was made."""
    time.sleep(1)  # lines are written a little later
    lines = (json.loads(line) for line in node.log().splitlines() if line.startswith("{"))
    misses = (one for one in lines if one["event"] == "request" and one["outcome"] == "miss")
    return Counter(str(one["path"]) for one in misses if _at(one) > since)


def _at(line: dict[str, str | float]) -> float:
    return datetime.fromisoformat(str(line["time"])).timestamp()

"""A rolling restart: one of three nodes behind the shipped nginx configuration is ended and started again under load."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace

from tests.edge.edge import nginx

from bench import node
from bench.faults.field import SETTINGS, Field, Row, at_most, joined, slower, told
from bench.peers import Server, ours

_LOAD = 0.7
_NODES = 3


def restart(field: Field) -> Iterator[Row]:
    """Restart a node, of whose sources the others are asked for meanwhile."""
    seconds = field.seconds(40, 12)
    folders = [field.new_folder("node") for _ in range(_NODES)]
    settings = {**SETTINGS, "tenants.default.delivery.edge_ttl_s": 10}
    with ExitStack() as stack:
        base = stack.enter_context(field.origin())
        first = stack.enter_context(ExitStack())
        nodes = [first.enter_context(node.running(folders[0], settings))]
        nodes += [stack.enter_context(node.running(folder, settings)) for folder in folders[1:]]
        edge = stack.enter_context(nginx(field.new_folder("edge"), [one.port for one in nodes]))
        asking = field.asking(_behind(ours(nodes[0], base), edge.port))
        per_s = _LOAD * field.capacity(asking, edge.port, "renders of three nodes")
        before = field.attack(asking, per_s, seconds / 2)
        with ThreadPoolExecutor(1) as threads:
            loading = threads.submit(field.attack, asking, per_s, seconds)
            time.sleep(seconds / 4)
            began = time.monotonic()
            first.close()
            stack.enter_context(node.running(folders[0], settings, port=nodes[0].port))
            took_s = time.monotonic() - began
            during = loading.result()
        calm = joined(before, field.attack(asking, per_s, seconds / 2))
    yield at_most("restart", "errors", sum(during.others.values()) + len(during.refused), 0)
    yield at_most("restart", "p99, of that before and after", slower(during, calm), 2)
    yield told("restart", "errors before and after", sum(calm.others.values()) + len(calm.refused))
    yield told("restart", "the restart took, s", took_s)


def _behind(server: Server, port: int) -> Server:
    return replace(server, port=port)

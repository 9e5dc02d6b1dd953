"""Slow clients, header floods and idle connections beside half of what the node can do: nobody else may notice."""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path

from bench.cells import sources
from bench.faults.field import Field, Row, at_least, at_most, joined, slower, told
from bench.faults.misbehaving import Misbehaving
from bench.tree import Tree

_BODY_BYTES = 5_000_000
_DRIPS, _FLOODS, _IDLE, _READERS = 200, 20, 4096, 64
_COMING_S = 4  # until they are all there


def slow(field: Field) -> Iterator[Row]:
    """Ask for new results alone, then beside all that misbehave at once."""
    # Less than server.write_timeout_s: at 1 KB/s the kernel's buffers take nothing for longer.
    seconds = field.seconds(40, 8)
    with field.origin(files={"large.jpg": _large(sources("jpeg2k", 1)[0])}) as base, field.serving(base) as server:
        assert server.node is not None
        asking = field.asking(server)
        per_s = 0.5 * field.capacity(asking, server.port, "renders")
        path = server.node.path(f"{base}/large/large.jpg", raw=True)
        body = server.node.ask(path)[2]
        calm = field.attack(asking, per_s, seconds / 2)
        tree = Tree([server.pid])
        before = tree.memory()
        others = Misbehaving(server.port, path, drips=_DRIPS, floods=_FLOODS, idle=_IDLE, readers=_READERS)
        time.sleep(_COMING_S)
        beside = field.attack(asking, per_s, seconds)
        after = tree.memory()
        found = others.ended()
        alone = joined(calm, field.attack(asking, per_s, seconds / 2))
    whole = found["digests"].count(hashlib.sha256(body).hexdigest())
    yield at_least("slow", "others answered", beside.answered, 0.9995)
    yield at_most("slow", "others' p99, of that alone", slower(beside, alone), 2)
    yield at_least("slow", f"whole bodies of {len(body) / 1e6:.0f} MB, read at 1 KB/s", whole, _READERS)
    yield told("slow", "idle connections at once", found["most_idle"])
    yield told("slow", "writers that were let go", found["let_go"])
    yield told("slow", "more memory, MB", (after - before) / 1e6)


def _large(photo: Path) -> bytes:
    """Return a JPEG of that size: what follows its end counts for nothing, and does not compress."""
    body = photo.read_bytes()
    return body + random.Random(1).randbytes(_BODY_BYTES - len(body))

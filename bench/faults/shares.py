"""Shares: prefetches beside what somebody looks at, a tenant that floods nine others, giants beside thumbnails.

Who floods does so from behind all others: real ones have machines of their own, and take none of the cores that the node has.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager

from bench.cells import CACHE, Want
from bench.faults.field import Field, Row, at_least, at_most, below, joined, named, slower, told
from bench.mixes import Kind
from bench.node import KEY, SALT
from bench.openload import Attack, Due, each_once, together
from bench.peers import Server
from bench.photos import picture
from bench.strain import written

_TENANTS = 10
_THUMBNAILS = (Kind("thumb", "jpeg1k", Want.of("jpg", 160), 1.0, 12.0),)
_GIANT = (7746, 5164)  # 40 megapixels


@contextmanager
def _site(field: Field, options: tuple[str, ...] = ()) -> Iterator[Server]:
    with field.origin() as base, field.serving(base, options=options) as server:
        yield server


def priorities(field: Field) -> Iterator[Row]:
    """Ask for twelve times the capacity as prefetches, on top of half of it."""
    seconds = field.seconds(60, 5)
    with _site(field) as server:
        asking = field.asking(server)
        most = field.capacity(asking, server.port, "renders")
        before = field.attack(asking, 0.5 * most, seconds / 2)
        looked = Attack(list(asking.some(0.5 * most * seconds)), 0.5 * most)
        prefetched = Attack(list(asking.some(12 * most * seconds)), 12 * most, ("Sec-Purpose: prefetch",), behind=True)
        beside, behind = together([looked, prefetched], field.folder)
        alone = joined(before, field.attack(asking, 0.5 * most, seconds / 2))
    yield at_least("priorities", "interactive answered", beside.answered, 0.9995)
    yield at_most("priorities", "p99, of that alone", slower(beside, alone), 2)
    yield told("priorities", "prefetches asked for, of capacity", 12 * seconds / max(seconds, behind.lasted_s))
    yield told("priorities", "prefetches answered in time, of capacity", behind.per_s / most)


def fairness(field: Field) -> Iterator[Row]:
    """Ask for twenty times the capacity as one tenant, and for a twentieth of it as each of nine others."""
    seconds = field.seconds(60, 5)
    names = [f"t{number}" for number in range(_TENANTS)]
    options = tuple(f'[tenants.{name}]\nprefix = "/{name}"\nkeys = ["{KEY}"]\nsalts = ["{SALT}"]' for name in names)
    with _site(field, options) as server:
        most = field.capacity(field.asking(server), server.port, "renders")
        flood, *others = (named(iter(field.asking(below(server, f"/{name}"))), name) for name in names)
        quiet = itertools.chain.from_iterable(zip(*others, strict=True))
        per_s = 0.05 * most * len(others)
        attacks = [each_once(flood, 20 * most, seconds, behind=True), each_once(quiet, per_s, seconds)]
        flooding, rest = together(attacks, field.folder)
    yield at_most("fairness", "lost by the nine", 1 - rest.answered, 0.001)
    yield told("fairness", "p99 of the nine, ms", rest.good_ms(99))
    yield told("fairness", "asked for by the tenth, of capacity", 20 * seconds / max(seconds, flooding.lasted_s))
    yield told("fairness", "answered to the tenth in time, of capacity", flooding.per_s / most)


def mixed(field: Field) -> Iterator[Row]:
    """Ask for thumbnails at three tenths of what the node could do of them, alone, and beside too many 40 MP AVIFs."""
    seconds = field.seconds(60, 6)
    giants = (2 if field.quick else 4) * (os.cpu_count() or 1)  # a second, each more than a second of work
    with field.origin(_THUMBNAILS, {"giant.avif": _giant()}) as base, field.serving(base) as server:
        asking = field.asking(server, _THUMBNAILS)
        per_s = 0.3 * field.capacity(asking, server.port, "thumbnails")
        before = field.attack(asking, per_s, seconds / 2)
        large = [
            Due(f"http://127.0.0.1:{server.port}{server.path(f'g{number}/giant.avif', Want.of('jpg', 1280))}", "giant")
            for number in range(int(giants * seconds))
        ]
        thumbnails = Attack(list(asking.some(per_s * seconds)), per_s)
        beside, heavy = together([thumbnails, Attack(large, giants)], field.folder)
        alone = joined(before, field.attack(asking, per_s, seconds / 2))
    yield at_most("mixed", "thumbnails' p99, of that alone", slower(beside, alone), 3)
    yield at_least("mixed", "thumbnails answered", beside.answered, 0.9995)
    yield told("mixed", "40 MP AVIFs answered", sum(map(len, heavy.good.values())))
    yield told("mixed", "other answers", str(dict(heavy.others + beside.others) or "none"))


def _giant() -> bytes:
    file = CACHE / "made" / "giant-7746x5164.avif"
    if not file.exists():
        written(file, picture(*_GIANT, 5), Q=60, effort=0)
    return file.read_bytes()

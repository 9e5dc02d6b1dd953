"""What the cases share: a node with its origin, what it can do, and how a figure is judged."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from bench import fresh, node
from bench.cells import sources
from bench.mixes import UNIFORM, Kind
from bench.openload import Due, Heard, attack
from bench.overload import Asking, capacity, closed
from bench.peers import Server, ours
from tintype.admission.settings import AdmissionSettings

Row = dict[str, Any]

_PHOTOS = 6
_SHIPPED = AdmissionSettings()
SETTINGS = {
    "sources.allow_loopback": True,
    "server.host": "127.0.0.1",
    "server.admin_token": "admin",
    "admission.crowd_s": _SHIPPED.crowd_s,
    "admission.burst_s": _SHIPPED.burst_s,
}


@dataclass
class Field:
    """Where cases are run. `quick`: short, to see that a case works; its figures mean little. `length`: of the long ones."""

    folder: Path
    quick: bool
    length: float = 1.0
    _capacities: dict[str, float] = field(default_factory=dict)
    _number: Iterator[int] = field(default_factory=itertools.count)

    def seconds(self, long: float, quick: float) -> float:
        return quick if self.quick else max(quick, round(long * self.length))

    def new_folder(self, name: str) -> Path:
        folder = self.folder / f"{next(self._number)}-{name}"
        folder.mkdir(parents=True)
        return folder

    @contextlib.contextmanager
    def origin(self, mix: Sequence[Kind] = UNIFORM, files: Mapping[str, bytes] | None = None) -> Iterator[str]:
        """Serve the sources of a mix, and further files; yields the base URL, below which any folder is a new source."""
        root = self.new_folder("sources")
        for file in {file for kind in mix for file in sources(kind.source, _PHOTOS)}:
            (root / file.name).write_bytes(file.read_bytes())
        for name, body in (files or {}).items():
            (root / name).write_bytes(body)
        with fresh.serving(root) as base:
            yield base

    @contextlib.contextmanager
    def serving(self, base: str, *, options: tuple[str, ...] = (), **settings: object) -> Iterator[Server]:
        """Run a node as it is shipped, but for these settings (dots as `__`)."""
        chosen = {**SETTINGS, **{name.replace("__", "."): value for name, value in settings.items()}}
        with node.running(self.new_folder("node"), chosen, options=options) as running:
            yield ours(running, base)

    def asking(self, server: Server, mix: Sequence[Kind] = UNIFORM) -> Asking:
        return Asking(server, mix, _PHOTOS)

    def capacity(self, asking: Asking, port: int, what: str) -> float:
        """Return how many requests a second are answered in time; found once for each `what`."""
        if what not in self._capacities:
            found = closed(asking, port, 3.0) if self.quick else self._most(asking, port)
            print(f"{what}: {found:.1f} a second", flush=True)
            self._capacities[what] = found
            time.sleep(2)
        return self._capacities[what]

    def _most(self, asking: Asking, port: int) -> float:
        return capacity(asking, port, max(3.0, 10 * self.length), self.folder).most

    def attack(self, asking: Asking, per_s: float, seconds: float) -> Heard:
        return attack(asking.some(per_s * seconds), per_s, self.folder)


def below(server: Server, prefix: str) -> Server:
    """Return the server with another tenant's paths."""
    return replace(server, path=lambda name, want: prefix + server.path(name, want))


def named(due: Iterator[Due], kind: str) -> Iterator[Due]:
    return (replace(one, kind=kind) for one in due)


# How a figure is judged


def at_least(case: str, what: str, found: float, bound: float) -> Row:
    return _row(case, what, found, f">= {bound:g}", found >= bound)


def at_most(case: str, what: str, found: float | None, bound: float) -> Row:
    """Judge; None is what was never reached."""
    return _row(case, what, found, f"<= {bound:g}", found is not None and found <= bound)


def told(case: str, what: str, found: float | str | None) -> Row:
    """Return a row that nothing is asked of."""
    return {"case": case, "what": what, "found": found, "target": "", "verdict": ""}


def _row(case: str, what: str, found: float | None, target: str, holds: bool) -> Row:
    return {"case": case, "what": what, "found": found, "target": target, "verdict": "holds" if holds else "FAILS"}


def joined(before: Heard, after: Heard) -> Heard:
    """Return what became of a load before and after another as of one: machines change their speed from minute to minute."""
    kinds = before.good.keys() | after.good.keys()
    return Heard(
        before.seconds + after.seconds,
        before.asked + after.asked,
        {kind: before.good.get(kind, []) + after.good.get(kind, []) for kind in kinds},
        before.refused + after.refused,
        before.others + after.others,
    )


def slower(beside: Heard, alone: Heard) -> float:
    """Return the 99th percentile of answer times of one load, of that of the other."""
    return (beside.good_ms(99) or float("inf")) / (alone.good_ms(99) or 1.0)

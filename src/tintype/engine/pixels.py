"""Finished pixels, kept for a moment: what differs in nothing but its encoder is neither decoded nor reduced again."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

from tintype.core.errors import EngineFailed
from tintype.core.messages import MAX_INPUTS, MAX_PLANS, Pixels
from tintype.core.plan import Plan, finished_key
from tintype.engine.results import close_all

# A browser that takes another format, or an AVIF that is made behind the answer, comes within seconds. Seconds.
_LASTS_S = 60.0
# One may take such a part of all that is kept: 8 MB of 64 are 2.7 megapixels.
_LARGEST = 8
# Each has a descriptor of the front's.
_MOST = 256


@dataclass(frozen=True, eq=False)
class _Entry:
    fd: int
    size: int


class Kept:
    """Descriptors of finished pixels, of so many bytes together at most, each for a minute; the oldest go first."""

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes if hasattr(os, "memfd_create") else 0
        self._entries: dict[str, _Entry] = {}
        self.used_bytes = 0

    def has(self, tenant: str, digest: str, plan: Plan) -> bool:
        return finished_key(tenant, (digest,), plan) in self._entries

    def use(self, tenant: str, digest: str, plans: Sequence[Plan]) -> Use:
        """Return what is there of plans over one source, and what of them is to be kept."""
        keys = [finished_key(tenant, (digest,), plan) if self._fits(plan) else None for plan in plans]
        return Use(self, keys)

    def _fits(self, plan: Plan) -> bool:
        return plan.rung is None and 3 * plan.width * plan.height * _LARGEST <= self._most_bytes

    def get(self, key: str) -> tuple[int, int] | None:
        """Return a descriptor, which the caller closes, and how many bytes it has."""
        entry = self._entries.get(key)
        fd = _another(entry.fd) if entry else None
        return (fd, entry.size) if entry and fd is not None else None

    def add(self, key: str, fd: int, size: int) -> None:
        """Keep what a worker has sent. Raises EngineFailed: it is not sealed, or not of the size that was announced."""
        if not _sealed(fd) or os.fstat(fd).st_size != size:
            raise EngineFailed("finished pixels that are not sealed, or not as many as announced")
        if key in self._entries or size * _LARGEST > self._most_bytes:
            return
        while self.used_bytes + size > self._most_bytes or len(self._entries) >= _MOST:
            self._drop(next(iter(self._entries)))
        own = _another(fd)
        if own is None:
            return
        entry = self._entries[key] = _Entry(own, size)
        self.used_bytes += size
        asyncio.get_running_loop().call_later(_LASTS_S, self._expire, key, entry)

    def _expire(self, key: str, entry: _Entry) -> None:
        if self._entries.get(key) is entry:
            self._drop(key)

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key)
        self.used_bytes -= entry.size
        os.close(entry.fd)


class Use:
    """What one job uses of the pixels that are kept, and adds to them: `found` beside its inputs, `keep` by number of its plan.

    `fds` are descriptors of its own for what is found, until its block ends.
    """

    def __init__(self, kept: Kept, keys: Sequence[str | None]) -> None:
        self._kept, self._keys = kept, keys
        self.found: list[Pixels] = []
        self.fds: list[int] = []
        for number, key in enumerate(keys):
            one = kept.get(key) if key and len(self.fds) < MAX_INPUTS - 1 else None
            if one is not None:
                self.fds.append(one[0])
                self.found.append(Pixels(plan=number, size=one[1]))
        there = {self._keys[one.plan] for one in self.found}
        first = {key: number for number, key in reversed(list(enumerate(keys))) if key and key not in there}
        self.keep = tuple(sorted(first.values()))[: MAX_PLANS - len(keys)]

    def add(self, pixels: Sequence[Pixels], fds: Sequence[int]) -> None:
        """Keep what a worker has sent. Raises EngineFailed: it was not asked for, or `Kept.add`."""
        if len(pixels) != len(fds):
            raise EngineFailed(f"{len(pixels)} finished pixels and {len(fds)} descriptors")
        for one, fd in zip(pixels, fds, strict=True):
            key = self._keys[one.plan] if one.plan in self.keep else None
            if key is None:
                raise EngineFailed(f"finished pixels of plan {one.plan}, which nobody asked for")
            self._kept.add(key, fd, one.size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        close_all(self.fds)


def _another(fd: int) -> int | None:
    """Return another descriptor of the same; None: the process has as many as it may have, and does without."""
    try:
        return os.dup(fd)
    except OSError:
        return None


def _sealed(fd: int) -> bool:
    """Tell whether nobody can change a file any more, who has sent it included."""
    seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_WRITE
    try:
        return fcntl.fcntl(fd, fcntl.F_GET_SEALS) & seals == seals
    except OSError:
        return False

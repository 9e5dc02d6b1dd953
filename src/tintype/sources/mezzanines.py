"""The `Mezzanines` port: rungs kept beside the sources they were made from, and what those not made would have saved."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

from tintype.core.binding import Binding
from tintype.core.entry import Scope, Selector
from tintype.core.epoch import RENDER_EPOCH
from tintype.core.ladder import Forgone
from tintype.core.plan import Rung
from tintype.core.values import canonical_bytes, fingerprint
from tintype.kit.filestore import FileStore
from tintype.kit.recent import Recent
from tintype.kit.stored import StoredFile
from tintype.ports import Clock
from tintype.sources.purges import Purges

# Rungs whose savings are remembered; some 250 bytes each.
_REMEMBERED = 50_000
# For how long after the last of them. Seconds.
_REMEMBERED_S = 24 * 3600.0
# Rungs that were read lately are held open: variants of one source come together. Each takes a descriptor, and disk once it
# is evicted; after this many seconds the store hears again that it is in use.
_HELD, _HELD_S = 128, 10.0


class _Held(NamedTuple):
    """An open rung, and how many purges there had been when it was looked for."""

    file: StoredFile
    generation: int


class Mezzanines:
    """See ports.Mezzanines. Rungs are in the store of source bodies, by whose purges they go."""

    def __init__(self, bodies: FileStore, purges: Purges, clock: Clock) -> None:
        self._bodies, self._purges, self._clock = bodies, purges, clock
        self._forgone: Recent[Forgone] = Recent(_REMEMBERED)
        self._held: Recent[_Held] = Recent(_HELD)

    def forgone(self, binding: Binding, rung: Rung, savings_ms: Sequence[float]) -> Forgone:
        """Return what a rung would have saved before, and remember what it would save now; see the port."""
        key, now = _key(binding, rung), self._clock.monotonic()
        before = self._forgone.get(key, now) or Forgone()
        self._forgone.put(key, before.plus(savings_ms), now + _REMEMBERED_S)
        return before

    @property
    def generation(self) -> int:
        """How many purges there were; see the port."""
        return self._purges.count

    async def open(self, binding: Binding, rung: Rung) -> StoredFile | None:
        """Return a rung, or None if it was never made or is gone. For mapping: its offset may be another's too."""
        key, now, generation = _key(binding, rung), self._clock.monotonic(), self.generation
        self._held.trim(now)
        held = self._held.get(key, now)
        if held is not None and not self._purged(binding, held.generation) and _whole(held.file):
            return _again(held.file)
        self._held.forget(key)
        file = await self._bodies.open(key)
        if file is not None:
            self._held.put(key, _Held(_again(file), generation), now + _HELD_S)
        return file

    def let_go(self) -> None:
        """Close what is held open."""
        self._held.sweep(float("inf"))

    async def put(self, binding: Binding, rung: Rung, body: bytes, *, generation: int) -> None:
        """Keep a rung; see the port."""
        if self._purged(binding, generation):
            return
        key = _key(binding, rung)
        self._forgone.forget(key)
        await self._bodies.put(key, body, tenant=binding.tenant, source=binding.url)
        if self._purged(binding, generation):
            await self._bodies.drop(Selector(scope=Scope.KEY, value=key))

    def _purged(self, binding: Binding, generation: int) -> bool:
        return self._purges.since(generation, binding.tenant, binding.key, binding.url)


def _whole(file: StoredFile) -> bool:
    return os.fstat(file.fd()).st_size == file.size


def _again(file: StoredFile) -> StoredFile:
    """Return the same open file for another reader, who maps it: the offset is shared."""
    return StoredFile(os.dup(file.fd()), file.size, file.meta)


def _key(binding: Binding, rung: Rung) -> str:
    return _key_of(binding.tenant, binding.digest, rung)


@lru_cache(1024)  # variants of one source come together, and each asks more than once
def _key_of(tenant: str, digest: str, rung: Rung) -> str:
    epoch = str(RENDER_EPOCH).encode()
    return fingerprint(b"rung", tenant.encode(), digest.encode(), _name_of(rung), epoch)


@lru_cache(64)  # there are a few rungs, of all sources
def _name_of(rung: Rung) -> bytes:
    return canonical_bytes(rung)

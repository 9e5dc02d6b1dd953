"""The `Mezzanines` port: rungs kept beside the sources they were made from, and which sources are of use again and again."""

from __future__ import annotations

from tintype.core.binding import Binding
from tintype.core.entry import Scope, Selector
from tintype.core.epoch import RENDER_EPOCH
from tintype.core.plan import Rung
from tintype.core.values import canonical_bytes, fingerprint
from tintype.kit.filestore import FileStore, StoredFile
from tintype.kit.recent import Recent
from tintype.ports import Clock
from tintype.sources.purges import Purges

# Sources remembered as asked for once; some 200 bytes each.
_REMEMBERED = 50_000
# For how long. Who comes back later than this pays for the original once more. Seconds.
_REMEMBERED_S = 24 * 3600.0


class Mezzanines:
    """See ports.Mezzanines. Rungs are in the store of source bodies, by whose purges they go."""

    def __init__(self, bodies: FileStore, purges: Purges, clock: Clock) -> None:
        self._bodies, self._purges, self._clock = bodies, purges, clock
        self._asked: Recent[bool] = Recent(_REMEMBERED)

    def again(self, binding: Binding) -> bool:
        """Return whether this is not the first time that a rung of the source would be of use; it is remembered."""
        key, now = f"{binding.tenant} {binding.digest}", self._clock.monotonic()
        if self._asked.get(key, now):
            return True
        self._asked.put(key, True, now + _REMEMBERED_S)
        return False

    @property
    def generation(self) -> int:
        """How many purges there were; see the port."""
        return self._purges.count

    async def open(self, binding: Binding, rung: Rung) -> StoredFile | None:
        """Return a rung, or None if it was never made or is gone."""
        return await self._bodies.open(_key(binding, rung))

    async def put(self, binding: Binding, rung: Rung, body: bytes, *, generation: int) -> None:
        """Keep a rung; see the port."""
        if self._purged(binding, generation):
            return
        key = _key(binding, rung)
        await self._bodies.put(key, body, tenant=binding.tenant, source=binding.url)
        if self._purged(binding, generation):
            await self._bodies.drop(Selector(scope=Scope.KEY, value=key))

    def _purged(self, binding: Binding, generation: int) -> bool:
        return self._purges.since(generation, binding.tenant, binding.key, binding.url)


def _key(binding: Binding, rung: Rung) -> str:
    epoch = str(RENDER_EPOCH).encode()
    return fingerprint(b"rung", binding.tenant.encode(), binding.digest.encode(), canonical_bytes(rung), epoch)

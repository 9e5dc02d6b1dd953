"""Ports of the engine: plans run in sandboxed workers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import msgspec

from tintype.admission.asker import Asker
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.messages import Done
from tintype.core.plan import Plan


class Runner(Protocol):
    """Runs plans in sandboxed workers. Takes descriptors, gives bytes; knows no codec itself."""

    async def run(
        self,
        inputs: Sequence[tuple[int, int, Format]],
        plans: Sequence[Plan],
        *,
        asker: Asker,
        digest: str,
        began: Callable[[], None] | None = None,
    ) -> Finished:
        """Run plans over inputs (descriptor, size, format), the source first.

        Raises:
            ImageError, Overloaded, EngineFailed.

        Cancelling the call while it is queued takes it out of the queue; once a worker has it (`began` is called then), it
        runs to its end.
        """
        ...


class Encodes(Protocol):
    """What of a source needs no decoder any more."""

    def only_encodes(self, tenant: str, digest: str, plan: Plan) -> bool:
        """Tell whether the pixels of a plan are there, as another plan of the same source left them a moment ago."""
        ...


class Reserve(Protocol):
    """Another runner, for what nobody waits for."""

    async def runner(self) -> Runner:
        """Return it, started. Raises EngineFailed."""
        ...


class Spare(Protocol):
    """When there is time for what nobody waits for."""

    async def spare(self) -> None:
        """Return once there is: a worker has nothing to do, and nothing waits for one."""
        ...


class Engine(Runner, Encodes, Protocol):
    """A runner that reads headers too, knows what it needs no decoder for, and is started and ended."""

    async def probe(
        self, source: int, size: int, format: Format, *, asker: Asker, digest: str, source_pixels: int
    ) -> ImageInfo:
        """Return header facts. Raises as `run`."""
        ...

    async def start(self) -> None: ...
    async def close(self) -> None:
        """Let running work end (within the drain time), refuse the rest with Draining, end the workers."""
        ...


class Finished(msgspec.Struct, frozen=True):
    """Results of a run: facts and bytes by plan, and how long it queued (seconds)."""

    done: Done
    bodies: tuple[bytes, ...]
    queued_s: float

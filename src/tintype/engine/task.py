"""One request to the engine: its packet and descriptors, until when, and who waits for the answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from tintype.admission.asker import Asker
from tintype.admission.costs.expect import Kind
from tintype.admission.weighing.backlog import Charge
from tintype.core.errors import TintypeError
from tintype.core.messages import FromWorker
from tintype.core.plan import Cost
from tintype.engine.poison import Suspect
from tintype.engine.results import close_all
from tintype.engine.turnover import Owner

_NO_COST = Cost()


class Task(msgspec.Struct, eq=False):
    """A request. The caller keeps the descriptors open while it waits; a worker gets copies."""

    id: int
    packet: bytes
    fds: Sequence[int]
    asker: Asker
    owner: Owner
    read: Callable[[FromWorker, Sequence[int]], Any]  # the answer out of a reply; raises TintypeError
    suspect: Callable[[], Suspect] | None = None  # whom to count a crash against; a function, as a key costs time
    began: Callable[[], None] | None = None  # told when a worker has it: from now on it runs to its end
    cost: Cost = _NO_COST  # as predicted
    kind: Kind = ("", 0)
    ticket: Charge | None = None
    images: int = 0  # how much of a worker's life it counts for: a probe for nothing
    future: asyncio.Future[Any] = msgspec.field(default_factory=lambda: asyncio.get_running_loop().create_future())
    queued_at: float = 0.0
    started_at: float | None = None
    shortened: bool = False  # by pixels that were there: what it takes says nothing of others
    again: bool = False  # whether the first worker that got it broke before it began it
    over: bool = False  # whether its worker is done with it
    crashed: bool = False

    @property
    def deadline(self) -> float:
        return self.asker.deadline

    def answer(self, reply: FromWorker, fds: Sequence[int]) -> None:
        """Settle with a worker's reply. Whoever waited may have gone; the descriptors are closed in any case."""
        self.over = True
        try:
            if not self.future.done():
                self.future.set_result(self.read(reply, fds))
        except TintypeError as error:
            self.fail(error)
        finally:
            close_all(fds)

    def fail(self, error: TintypeError) -> None:
        if not self.future.done():
            self.future.set_exception(error)

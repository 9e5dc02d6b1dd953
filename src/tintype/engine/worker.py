"""One worker process as the pool sees it: starting -> idle <-> busy -> ending -> gone, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from enum import Enum, auto

import msgspec

from tintype.core.messages import Done, Failed, FromWorker, Ready
from tintype.engine.channel import Channel, End
from tintype.engine.process import Process
from tintype.engine.results import close_all
from tintype.engine.task import Task
from tintype.engine.turnover import Service

_DECODER = msgspec.msgpack.Decoder(FromWorker)
# From start to Ready. Generous: a loaded machine may take its time, a worker that hangs must not stay.
_START_S = 60.0
# From hanging up to being gone.
_END_S = 5.0
# A request that still runs at its deadline may finish within this time: a fresh worker costs about as much.
GRACE_S = 0.5
_LONGEST_S = 86_400.0


class Phase(Enum):
    """Where a worker is in its life."""

    STARTING = auto()
    IDLE = auto()
    BUSY = auto()
    ENDING = auto()
    GONE = auto()


class Worker:
    """A worker process. Calls `changed` when it is idle or gone, and `lost` with the task that it died of."""

    def __init__(
        self,
        process: Process,
        sock: socket.socket,
        changed: Callable[[Worker], None],
        lost: Callable[[Worker, Task], None],
    ) -> None:
        self.process = process
        self.phase = Phase.STARTING
        self.service = Service()
        self.ready: Ready | None = None
        self.failure = ""  # why it did not start
        self.code: int | None = None
        self.overdue = False
        # Whether it broke before it began its task, or over something else: the task may then be another worker's.
        self.unbegun = False
        self._changed, self._lost = changed, lost
        self._task: Task | None = None
        self._loop = asyncio.get_running_loop()
        self._channel = Channel(sock, _DECODER, self._heard, self._hung_up)
        self._timer = self._loop.call_later(_START_S, process.kill)
        process.watch(self._ended)

    @property
    def live(self) -> bool:
        return self.phase in (Phase.STARTING, Phase.IDLE, Phase.BUSY)

    def send(self, packet: bytes) -> None:
        """Send what needs no answer."""
        self._channel.send(packet)

    def give(self, task: Task, now: float) -> None:
        """Start a task. Raises OSError, and stays idle, if the socket does not take it."""
        assert self.phase is Phase.IDLE
        self._channel.drain()  # what it has said unasked is not the answer to this
        if self.phase is not Phase.IDLE:
            raise BrokenPipeError
        self._channel.send(task.packet, task.fds)
        self._task, task.started_at = task, now
        self.service = Service(self.service.images + task.images, self.service.rss_bytes, task.owner)
        self._timer = self._loop.call_later(min(max(0.0, task.deadline - now) + GRACE_S, _LONGEST_S), self._overdue)
        self.phase = Phase.BUSY

    def end(self) -> None:
        """Hang up on an idle or starting worker; it ends by itself, or is killed."""
        if self.live:
            self.phase = Phase.ENDING
            self._channel.close()
            self._timer.cancel()
            self._timer = self._loop.call_later(_END_S, self.process.kill)

    def retire(self) -> None:
        """Take no more tasks and hear no more: its socket has failed, or it cannot be trusted."""
        if self.phase is Phase.STARTING:
            self.failure = self.failure or "it says what no worker says"
        self.phase, self.unbegun = Phase.ENDING, True
        self._channel.close()
        self.process.kill()

    def kill(self) -> None:
        self.process.kill()

    def _hung_up(self, end: End) -> None:
        """Its socket is closed, so it is ending, or it is of no use: then it must end."""
        if end is End.GARBAGE:
            self.retire()
            return
        self.unbegun = end is End.UNREAD
        if self.phase is Phase.IDLE:
            self.phase = Phase.ENDING
        self._timer.cancel()
        self._timer = self._loop.call_later(_END_S, self.process.kill)

    def _overdue(self) -> None:
        self.overdue = True
        self.process.kill()

    def _heard(self, message: FromWorker, fds: list[int]) -> None:
        task = self._task
        if self.phase is Phase.STARTING and isinstance(message, Ready):
            self.ready = message
            self._become(Phase.IDLE)
        elif self.phase is Phase.STARTING and isinstance(message, Failed):
            self.failure = message.message
        elif task is not None and not isinstance(message, Ready) and message.id == task.id:
            self._answered(task, message, fds)
        else:  # it says what nobody asked: broken, or taken over, by whatever it was; nothing it says counts any more
            close_all(fds)
            self.retire()

    def _answered(self, task: Task, message: FromWorker, fds: list[int]) -> None:
        self._task = None
        if isinstance(message, Done):
            self.service = Service(self.service.images, message.rss_bytes, self.service.owner)
        task.answer(message, fds)
        self._become(Phase.IDLE)

    def _become(self, phase: Phase) -> None:
        self._timer.cancel()
        self.phase = phase
        self._changed(self)

    def _ended(self, code: int) -> None:
        self.code = code
        self._channel.drain()
        self._channel.close()
        task, self._task = self._task, None
        if self.phase is Phase.STARTING and not self.failure:
            self.failure = self.process.last_words() or f"it ended with {code}"
        if task is not None:
            self._lost(self, task)
        self._become(Phase.GONE)

"""The zygote as the pool sees it: a process that forks workers on request, and says when they end."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import msgspec

from tintype.core import messages
from tintype.core.messages import Fork, FromZygote, Ready
from tintype.engine.channel import Channel, encode, pair
from tintype.engine.process import Forked, Spawned
from tintype.engine.results import close_all

_DECODER = msgspec.msgpack.Decoder(FromZygote)
_END_S = 5.0  # from hanging up to being gone


class Zygote:
    """A zygote, usable from Ready until it ends; its children end with it."""

    def __init__(self, process: Spawned, changed: Callable[[Zygote], None]) -> None:
        self.process = process
        self.ready: Ready | None = None
        self.failure = ""
        self._changed = changed
        self._next = 0
        self._unborn: dict[int, Forked] = {}
        self._children: dict[int, Forked] = {}  # by pid
        self._timer: asyncio.TimerHandle | None = None
        self._channel = Channel(process.socket, _DECODER, self._heard, lambda _: process.kill())
        process.watch(self._ended)

    def send(self, packet: bytes) -> None:
        self._channel.send(packet)

    def fork(self) -> tuple[Forked, socket.socket]:
        """Ask for a worker; returns it unborn, with our end of its socket. Raises OSError as sendmsg does."""
        ours, theirs = pair()
        self._next += 1
        with theirs:
            try:
                self._channel.send(encode(Fork(id=self._next)), [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        child = self._unborn[self._next] = Forked()
        return child, ours

    def end(self) -> None:
        """Hang up; the zygote ends, and with it its children."""
        self._channel.close()
        self._timer = asyncio.get_running_loop().call_later(_END_S, self.process.kill)

    def _heard(self, message: FromZygote, fds: list[int]) -> None:
        match message:
            case Ready():
                self.ready = message
                self._changed(self)
            case messages.Forked() if fds:
                child = self._children[message.pid] = self._unborn.pop(message.id)
                child.born(message.pid, fds[0])
            case messages.Ended():
                self._children.pop(message.pid).died(os.waitstatus_to_exitcode(message.status))
            case messages.Failed():
                self.failure = message.message
            case _:
                close_all(fds)
                self.process.kill()

    def _ended(self, code: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._channel.drain()
        self._channel.close()
        if self.ready is None and not self.failure:
            self.failure = self.process.last_words() or f"it ended with {code}"
        self.ready = None
        orphans = [*self._unborn.values(), *self._children.values()]
        self._unborn, self._children = {}, {}
        for child in orphans:
            child.died(-9)  # PDEATHSIG
        self._changed(self)

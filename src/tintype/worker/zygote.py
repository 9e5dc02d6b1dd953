"""A process that has imported every codec, has decoded nothing, and forks a fresh worker whenever it is asked.

It stays single-threaded (libvips' and Pango's threads would not survive the fork), so its children warm nothing: they have
the libraries. It never sees a byte of an image. Children share its memory layout; where that matters more than the cost
of a start, use isolation = node.
"""

from __future__ import annotations

import gc
import os
import select
from typing import NoReturn

from tintype.core.messages import Ended, Fork, Forked, Ready, Setup
from tintype.worker import loop, sandbox
from tintype.worker.link import Link, link_of


def serve(link: Link, handler: loop.Handler, setup: Setup) -> None:
    """Confine this process, say Ready, fork on request until the socket closes."""
    idle_bytes = sandbox.address_space(sandbox.open_statm())
    mould = sandbox.mould()
    confined = sandbox.confine(sandbox.Role.ZYGOTE, setup, keep=(link.fileno(), *mould.fds))
    gc.collect()
    gc.freeze()  # what is shared stays shared: the collector touches every object's header otherwise
    link.send(Ready(pid=os.getpid(), layers=confined.layers, missing=confined.missing))
    _Nursery(link, handler, setup, mould, idle_bytes).run()


class _Nursery:
    """The children, watched by pidfd."""

    def __init__(self, link: Link, handler: loop.Handler, setup: Setup, mould: sandbox.Mould, idle_bytes: int) -> None:
        self._link, self._handler, self._setup = link, handler, setup
        self._mould, self._idle_bytes = mould, idle_bytes
        self._children: dict[int, int] = {}  # pidfd -> pid
        self._poll = select.poll()
        self._poll.register(link.fileno(), select.POLLIN)

    def run(self) -> None:
        while True:
            for fd, _ in self._poll.poll():
                if fd != self._link.fileno():
                    self._bury(fd)
                elif not self._heed():
                    return

    def _heed(self) -> bool:
        request = self._link.receive()
        if request is None:
            return False
        message, fds = request
        if not isinstance(message, Fork) or len(fds) != 1:
            raise SystemExit(f"a zygote takes no {type(message).__name__}")
        self._fork(message.id, fds[0])
        return True

    def _fork(self, id: int, fd: int) -> None:
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            self._live(parent, fd)
        os.close(fd)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = pid
        self._poll.register(pidfd, select.POLLIN)
        self._link.send(Forked(id=id, pid=pid), [pidfd])

    def _bury(self, pidfd: int) -> None:
        self._poll.unregister(pidfd)
        pid = self._children.pop(pidfd)
        _, status = os.waitpid(pid, 0)
        os.close(pidfd)
        self._link.send(Ended(pid=pid, status=status))

    def _live(self, parent: int, fd: int) -> NoReturn:
        """Be a worker. Whatever happens here, it must not come back into the zygote's loop."""
        status = 1
        try:
            sandbox.die_with(parent)
            with loop.reporting(link := link_of(fd)):
                self._work(link)
            status = 0
        finally:
            os._exit(status)

    def _work(self, link: Link) -> None:
        confined = sandbox.confine_child(self._mould, self._setup, keep=(link.fileno(),))
        sandbox.bound_memory(self._idle_bytes, self._setup.memory_bytes)
        loop.serve(loop.Desk(link=link, handler=self._handler, setup=self._setup, statm=-1), confined)

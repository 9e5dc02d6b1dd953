"""The start of a worker: set up, import, confine, warm; then it serves, or forks those who do."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable

from tintype.core.messages import Setup
from tintype.worker import loop, sandbox, zygote
from tintype.worker.link import Link, link_of

_LEAST = 19  # of nice(2)


def main(make_handler: Callable[[], loop.Handler]) -> None:
    """Run a worker, or a zygote that forks workers, on descriptor 0. Returns when the socket closes."""
    sandbox.ignore_terminal()
    link = link_of(os.dup(0))
    first = link.receive()
    if first is None or not isinstance(first[0], Setup):
        return
    setup = first[0]
    with loop.reporting(link):
        sandbox.die_with(setup.parent)
        _stand_back(setup.nice)
        gc.disable()  # what imports make stays: to look for garbage in it is a sixth of their time
        handler = make_handler()
        gc.enable()
        if setup.zygote:
            zygote.serve(link, handler, setup)
        else:
            _work(link, handler, setup)


def _stand_back(nice: int) -> None:
    """Let others have the CPU first: with 20, whoever wants it (SCHED_IDLE, which Linux has), where 19 leaves a share."""
    os.nice(nice)
    if nice > _LEAST and hasattr(os, "SCHED_IDLE"):
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


def _work(link: Link, handler: loop.Handler, setup: Setup) -> None:
    """Confine this process, warm up, serve. Confined before warm-up, as Landlock binds only threads yet to start."""
    statm = sandbox.open_statm()
    confined = sandbox.confine(sandbox.Role.WORKER, setup, keep=(link.fileno(), statm))
    handler.warm()
    sandbox.bound_memory(sandbox.address_space(statm), setup.memory_bytes)
    loop.serve(loop.Desk(link=link, handler=handler, setup=setup, statm=statm), confined)

"""Run the front of a node in this process: the HTTP server, signals, reloads and the drain."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import logging
import os
import resource
import signal
import sys
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import granian.log
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from tintype.core.errors import TintypeError
from tintype.core.limits import Limits
from tintype.ports import Telemetry
from tintype.web.dispatch import dispatched
from tintype.web.front import Front
from tintype.web.room import Room
from tintype.web.settings import ServerSettings

# A thread that computes hands the interpreter on after so long. The server's thread asks for it anew for each request, so
# that while the event loop has much to do, hits are answered no faster than one in each interval. Seconds; Python's is 5 ms.
_TURN_S = 0.0001
# How often the configuration's files are looked at, in seconds.
_WATCH_S = 1.0
_PR_SET_PDEATHSIG = 1
# Freed memory that glibc keeps for the next body instead of handing it back to the kernel piece by piece, and the
# largest block that comes from there. With its own 128 KiB for both, each 256 KiB read from a socket is fresh pages,
# faulted in and zeroed: 2.5 ms of CPU for a source of 2.4 MB.
_KEPT_BYTES, _LARGEST_BLOCK_BYTES = 32 << 20, 4 << 20
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
# Descriptors of a front besides its connections: fetches, renders let in, rungs held open, caches.
_OWN_DESCRIPTORS = 2048
# A connection may have an original open that it is sent.
_OF_CONNECTION = 2
# Header fields of a request, beside its path; the server counts both together. As much as nginx takes by default.
_HEADER_BYTES = 24 * 1024


def run(main: Coroutine[Any, Any, int]) -> int:
    """Run a front's main coroutine on the fastest loop there is; returns its exit status."""
    end_with_parent()
    keep_freed_memory()
    sys.setswitchinterval(_TURN_S)
    if sys.platform == "win32":
        return asyncio.run(main)
    import uvloop  # noqa: PLC0415 - not on Windows

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(main)


def end_with_parent() -> None:
    """Have the kernel end this process when its supervisor dies, so that no orphan holds the port."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def keep_freed_memory() -> None:
    """Have glibc hand freed memory back in large pieces only; other libraries have no such switch."""
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)) is not None:
        mallopt(_M_MMAP_THRESHOLD, _LARGEST_BLOCK_BYTES)
        mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES)


def connections(clients: int, descriptors: int) -> int:
    """Return how many connections may be open, of as many clients as are set, where so many descriptors are allowed.

    A server that runs out of descriptors neither accepts a connection nor lets it be: it tries again and again.
    """
    if descriptors == resource.RLIM_INFINITY:
        return clients
    return min(clients, max(1, descriptors // 4, (descriptors - _OWN_DESCRIPTORS) // _OF_CONNECTION))


class Serving:
    """Serves a front until SIGTERM or SIGINT, then drains it."""

    def __init__(self, front: Front, settings: ServerSettings, limits: Limits, telemetry: Telemetry) -> None:
        self._front = front
        self._settings = settings
        self._telemetry = telemetry
        self._stop = asyncio.Event()
        self._hang_up = asyncio.Event()
        # What granian says itself is a fact or two at start; ours are events with names.
        logging.getLogger(granian.log.logger.name).setLevel(logging.ERROR)
        descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]  # granian raised it to the most that is allowed
        most = connections(limits.clients, descriptors)
        if most < limits.clients:
            telemetry.event("connections_bounded", level="warning", clients=most, descriptors=descriptors)
        self._room = Room(most)
        self._server = Server(
            dispatched(front, telemetry, self._room),
            address=settings.host,
            port=settings.port,
            interface=Interfaces.ASGINL,
            # Told apart by its first bytes, HTTP/2 leaves a connection that sends none open for ever; proxies speak 1.1 inwards.
            http=HTTPModes.http1,
            websockets=False,
            backlog=max(1024, limits.clients),
            backpressure=most,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(settings.read_timeout_s * 1000),
                keep_alive=settings.keep_alive_timeout_s > 0,
                max_buffer_size=limits.url_bytes + _HEADER_BYTES,
            ),
            log_enabled=False,
        )

    async def until_stopped(
        self, started: Awaitable[object], reload: Callable[[], object], watched: Callable[[], tuple[str, ...]]
    ) -> bool:
        """Serve once the node has started; returns whether all running requests ended within the drain time.

        Nobody can connect before: who stands in front asks another node meanwhile, where here each would wait for a worker.

        Args:
            started: completes when the node's parts have started; its error is raised.
            reload: called at SIGHUP or when a watched file changes; may raise TintypeError, which is logged.
            watched: the files to watch.
        """
        gc.freeze()  # what is here now stays to the end: each full collection would look at all of it
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        loop.add_signal_handler(signal.SIGHUP, self._hang_up.set)
        starting = asyncio.ensure_future(started)
        stopping = asyncio.ensure_future(self._stop.wait())
        watching = asyncio.ensure_future(self._watch(reload, watched))
        beating = asyncio.ensure_future(self._front.pulse.beat())
        looking = asyncio.ensure_future(self._room.watch())
        serving: asyncio.Future[None] | None = None
        try:
            await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not starting.done():
                return True
            starting.result()
            serving = asyncio.ensure_future(self._server.serve())
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if serving.done():
                serving.result()
            return await self._front.drain(self._settings.drain_timeout_s)
        finally:
            for task in (starting, stopping, watching, beating, looking):
                task.cancel()
            self._server.stop()  # type: ignore[no-untyped-call]
            if serving is not None:
                await asyncio.wait((serving,), timeout=5)

    async def _watch(self, reload: Callable[[], object], watched: Callable[[], tuple[str, ...]]) -> None:
        seen = _states(watched())
        while True:
            try:
                await asyncio.wait_for(self._hang_up.wait(), _WATCH_S)
            except TimeoutError:
                if _states(watched()) == seen:
                    continue
            self._hang_up.clear()
            try:
                reload()
                self._telemetry.count("reloads", result="done")
                self._telemetry.event("reloaded")
            except TintypeError as error:
                self._telemetry.count("reloads", result="refused")
                self._telemetry.event("reload_refused", level="error", error=str(error))
            seen = _states(watched())


def _states(paths: tuple[str, ...]) -> tuple[tuple[int, int, int] | None, ...]:
    return tuple(_state(path) for path in paths)


def _state(path: str) -> tuple[int, int, int] | None:
    try:
        facts = os.stat(path)  # noqa: PTH116 - called every second for each file
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_size, facts.st_ino

"""The ASGI application of a node: lifespan, the few fixed paths, the control API, and everything else to the image path."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from tintype.core.errors import Draining, NotFound
from tintype.web.image import ImagePath
from tintype.web.memo import Headers
from tintype.web.own import health_paths
from tintype.web.paths import CONTROL
from tintype.web.pulse import Pulse, target_of
from tintype.web.quick import Quick
from tintype.web.reply import Desk, Receive, Reply, Scope, Send, raw_path, request_of, within
from tintype.web.settings import ServerSettings

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_PLAIN: Headers = [(b"cache-control", b"no-cache")]


class Front:
    """Routes by path. `ready` tells whether the engine answers; `control` and `home` are mounted when there are any.

    Whoever serves it asks `quick` first, and keeps the `pulse`.
    """

    def __init__(
        self,
        images: ImagePath,
        quick: Quick,
        desk: Desk,
        settings: ServerSettings,
        ready: Callable[[], Awaitable[bool]],
        pulse: Pulse,
        *,
        control: ASGIApp | None = None,
        home: ASGIApp | None = None,
    ) -> None:
        self._images = images
        self.quick = quick
        self._desk = desk
        self._prefix = settings.path_prefix.rstrip("/")
        self._health = health_paths(settings)
        self._ready = ready
        self._control = control
        self._home = home
        self.pulse = pulse
        self._draining = False
        self._idle = asyncio.Event()
        self._idle.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point."""
        if scope["type"] != "http":
            return
        self.pulse.begin()
        self._idle.clear()
        try:
            await self._route(scope, receive, send)
        finally:
            self.pulse.end(target_of(scope))
            if not self.pulse.running:
                self._idle.set()

    async def drain(self, timeout_s: float) -> bool:
        """Refuse new work, wait for running requests; returns whether all ended in time."""
        self._draining = self.quick.closed = True
        try:
            await asyncio.wait_for(self._idle.wait(), timeout_s)
        except TimeoutError:
            return False
        return True

    async def _route(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = raw_path(scope)
        reply = Reply(send, request_of(scope, path, self._desk), self._desk)
        inner = within(path, self._prefix)
        if inner is None:
            await reply.text(404, " ", error=NotFound(f"paths here begin with {self._prefix}/"))
            return
        path = inner
        if self._control and path.startswith("/v1/"):
            await self._control({**scope, "path": path, "raw_path": path.encode("latin-1")}, receive, send)
        elif path in CONTROL:
            off = NotFound("The control API is off; set server.admin_token for it.")
            await reply.text(404, "The control API is off", error=off)
        elif path in self._health:
            await reply.text(200, "tintype is running", extra=_PLAIN)
        elif path == "/ready":
            await self._answer_ready(reply)
        elif path == "/favicon.ico" or path.startswith("/.well-known/"):
            await reply.text(404, " ", error=NotFound())
        elif self._draining:
            await reply.text(503, "Shutting down", error=Draining())
        elif path == "/" or (self._home and path.startswith("/demo/")):
            await self._answer_home(scope, receive, send, reply)
        else:
            await self._images(path, receive, reply)

    async def _answer_ready(self, reply: Reply) -> None:
        if not self._draining and await self._ready():
            await reply.text(200, "ready", extra=_PLAIN)
        else:
            await reply.text(503, "not ready", extra=[*_PLAIN, (b"retry-after", b"1")])

    async def _answer_home(self, scope: Scope, receive: Receive, send: Send, reply: Reply) -> None:
        if self._home is not None:
            await self._home(scope, receive, send)
            return
        await reply.html(_LANDING)


_LANDING = """<!doctype html><html lang="en"><meta charset="utf-8"><title>tintype</title>
<style>body{font:16px/1.5 system-ui;max-width:40em;margin:4em auto;padding:0 1em}</style>
<h1>tintype is running</h1><p>It serves images at signed URLs. There is nothing else to see at this address.</p></html>
"""

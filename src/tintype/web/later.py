"""An application that is made when it is first asked: what it takes to import is no part of a node's start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tintype.web.front import ASGIApp
from tintype.web.reply import Receive, Scope, Send


class Later:
    """Makes an application once, in a thread; the loop serves others meanwhile. Made anew where that failed."""

    def __init__(self, make: Callable[[], ASGIApp]) -> None:
        self._make = make
        self._made: asyncio.Future[ASGIApp] | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI entry point; raises what `make` raises."""
        if self._made is None or _failed(self._made):
            self._made = asyncio.ensure_future(asyncio.to_thread(self._make))
        app = await asyncio.shield(self._made)
        await app(scope, receive, send)


def _failed(made: asyncio.Future[ASGIApp]) -> bool:
    return made.done() and (made.cancelled() or made.exception() is not None)

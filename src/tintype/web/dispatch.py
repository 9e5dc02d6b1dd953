"""Where the quick path is asked: in the server's own thread, before a request goes to the event loop.

Granian hands each request from a thread of its own to the loop: a wake-up, a change of threads and a coroutine, which
together take longer than a hit. Its scheduler is where they part. That is no public interface, so when it is not as
known here, the application asks the quick path itself, and everything works as before, slower.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from granian import _futures

from tintype.ports import Telemetry
from tintype.web.front import ASGIApp, Front
from tintype.web.pulse import target_of
from tintype.web.reply import Receive, Scope, Send
from tintype.web.room import Room, ended

# Makes what takes a request (a "watcher": scope and protocol) from the server's thread to the loop.
_MAKER = "_cbsched_aioschedule"


def dispatched(front: Front, telemetry: Telemetry, room: Room) -> ASGIApp:
    """Return the application to serve: the front, with its quick path where it is quickest.

    The server that is started next serves it: what this changes is the process's.
    """
    asked_before = False
    maker = getattr(_futures, _MAKER, None)
    maker = getattr(maker, "usual", maker)  # a process may serve one front after another

    def made(loop: Any, context: Any, callback: Any) -> Callable[[Any], None]:
        nonlocal asked_before
        asked_before = True
        return _schedule(front, maker(loop, context, callback), telemetry, room)  # type: ignore[misc]

    if maker is not None:
        made.usual = maker  # type: ignore[attr-defined]
        setattr(_futures, _MAKER, made)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        send = room.ending(send)
        messages = None if asked_before else front.quick(scope)
        if messages is None:
            await front(scope, receive, send)
            return
        await send(messages[0])
        await send(messages[1])

    return app


def _schedule(front: Front, usual: Callable[[Any], None], telemetry: Telemetry, room: Room) -> Callable[[Any], None]:
    def schedule(watcher: Any) -> None:
        try:
            messages = front.quick(watcher.scope)
        except Exception as error:  # noqa: BLE001 - a defect here must not take the usual way down with it
            telemetry.event("defect", path="quick", error=repr(error), exc_info=error)
            messages = None
        if messages is None:
            front.pulse.handed(target_of(watcher.scope))
            usual(watcher)
            return
        # A short answer is taken when it is sent; there is nothing to wait for.
        send = watcher.proto.send
        send(ended(messages[0]) if room.scarce else messages[0])
        send(messages[1])
        watcher.done()

    return schedule

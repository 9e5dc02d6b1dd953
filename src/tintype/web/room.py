"""Room for connections: while most that may be open are, a refusal ends its own, so that newcomers find room.

A connection that says nothing is let go after `server.read_timeout_s`; until then, were all open, nobody new would be heard. Who
is refused is to come back later; who is served keeps the connection.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import MutableMapping
from typing import Any, TypeAlias

from tintype.web.reply import Send

Message: TypeAlias = MutableMapping[str, Any]

_EVERY_S = 0.2
_MOST_PART = 0.75
_DESCRIPTORS = "/proc/self/fd"
_REFUSALS = frozenset({429, 503})
_CLOSE = b"connection", b"close"


class Room:
    """Kept by the event loop; any thread may ask whether it is `scarce`. `most`: so many connections may be open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._own = _descriptors()
        self.scarce = False

    async def watch(self) -> None:
        """Keep it, until cancelled."""
        while True:
            self.scarce = _descriptors() - self._own > _MOST_PART * self._most
            await asyncio.sleep(_EVERY_S)

    def ending(self, send: Send) -> Send:
        """Return what sends an answer, and if it is a refusal ends the connection while room is scarce."""
        if not self.scarce:
            return send

        async def sent(message: Message) -> None:
            await send(ended(message) if message["type"] == "http.response.start" else message)

        return sent


def ended(start: Message) -> Message:
    """Return the start of an answer, which is the last of its connection if it is a refusal."""
    return {**start, "headers": [*start["headers"], _CLOSE]} if start["status"] in _REFUSALS else start


def _descriptors() -> int:
    """Return how many are open; 0 where the system does not tell. Linux tells by a file size from 6.2 on."""
    try:
        return os.stat(_DESCRIPTORS).st_size or len(os.listdir(_DESCRIPTORS))  # noqa: PTH116, PTH208 - asked all the time
    except OSError:
        return 0

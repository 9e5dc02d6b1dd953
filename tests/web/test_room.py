"""Room for connections."""

from __future__ import annotations

import asyncio
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from tintype.web.room import Room


async def looked(room: Room) -> bool:
    """Have it look once; returns what it saw."""
    watching = asyncio.ensure_future(room.watch())
    await asyncio.sleep(0)
    watching.cancel()
    return room.scarce


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells how many descriptors are open")
async def test_room_is_scarce_while_most_connections_are_open(tmp_path: Path) -> None:
    room = Room(100)
    (tmp_path / "any").touch()
    with ExitStack() as connections:
        for more, scarce in ((70, False), (10, True)):
            for _ in range(more):
                connections.enter_context((tmp_path / "any").open())
            assert await looked(room) is scarce
    assert not await looked(room)

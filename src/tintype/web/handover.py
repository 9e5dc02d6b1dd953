"""Hand-over: large originals that an nginx on this machine sends itself, under a name made for that one answer."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import Mapping
from pathlib import Path

from tintype.core.errors import Misconfigured
from tintype.ports import Telemetry
from tintype.web.memo import Headers

# What nginx adds to a request when it can send files; who asks without it gets the body from the node.
_ASKED, _YES = b"x-hand-over", b"yes"
# Below, to have nginx open a file saves little or nothing; decision 15 has the figures.
_LEAST_BYTES = 1 << 20
# nginx opens a name within milliseconds; one that is slower finds none, and asks again for the body.
_NAMED_S = 5.0
_MOST_NAMES = 4096


class HandOver:
    """Names files for nginx: hard links below `folder`, gone after 5 seconds; at most 4,096 at once.

    The name is of the very file that was opened and checked, so that neither eviction nor a number used again can put
    other bytes under it. `location` is nginx's for the folder, empty = nothing is handed over.

    Raises:
        Misconfigured: the folder cannot be used.
    """

    def __init__(self, location: str, folder: Path, telemetry: Telemetry) -> None:
        self._location, self._folder, self._telemetry = location.strip("/"), folder, telemetry
        self._number = itertools.count()
        self._named = 0
        self._failed = False
        if self._location:
            _emptied(folder)

    async def headers(self, request: Mapping[bytes, bytes], fd: int, size: int) -> Headers:
        """Return what has nginx send the file behind a descriptor; nothing if the node is to send it."""
        if not self._location or request.get(_ASKED) != _YES or size < _LEAST_BYTES or self._named >= _MOST_NAMES:
            return []
        name = f"{os.getpid():x}-{next(self._number):x}"
        try:
            await asyncio.to_thread(_link, fd, self._folder / name)
        except FileNotFoundError:  # it has no name any more: evicted, or made for one client
            return []
        except OSError as error:
            self._tell(error)
            return []
        self._named += 1
        asyncio.get_running_loop().call_later(_NAMED_S, self._forget, self._folder / name)
        return [(b"x-accel-redirect", f"/{self._location}/{name}".encode()), (b"content-length", b"0")]

    def _forget(self, path: Path) -> None:
        self._named -= 1
        asyncio.get_running_loop().run_in_executor(None, _remove, path)

    def _tell(self, error: OSError) -> None:
        """Tell once why files cannot be linked; the node sends them all the same."""
        if not self._failed:
            self._failed = True
            self._telemetry.event("hand_over_failed", level="warning", folder=str(self._folder), error=str(error))


def _emptied(folder: Path) -> None:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for left in folder.iterdir():
            left.unlink()
    except OSError as error:
        raise Misconfigured(f"server.hand_over: {folder} cannot be used: {error.strerror}") from error


def _link(fd: int, path: Path) -> None:
    # With a descriptor of a folder, whichever, Python calls linkat, which follows the link in /proc to the open file.
    os.link(f"/proc/self/fd/{fd}", path, src_dir_fd=fd, follow_symlinks=True)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)

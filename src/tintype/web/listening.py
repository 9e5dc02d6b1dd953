"""Whether a node can listen where it is told to: asked before it starts, as the server shares a port without a word."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable

from tintype.core.errors import Misconfigured

_LOOK_S = 0.1


def ensure_free(host: str, port: int, settings: str, tell: Callable[[str], None], patience_s: float) -> None:
    """Return once a server could listen at this address; port 0 is always free.

    A port that is taken may be that of a predecessor: it is waited for, and `tell` is called with what is waited for.

    Raises:
        Misconfigured: another one listens there, after all that patience too, or nobody may; it names `settings`.
    """
    until, told = time.monotonic() + patience_s, False
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    while (error := _refused(host, port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
            message = f"{settings}: cannot listen at {where} ({error.strerror}); stop what does, or set another"
            raise Misconfigured(message) from error
        if not told:
            tell(f"{where} is taken: waiting up to {patience_s:g} s for who listens there to end; else set {settings}")
            told = True
        time.sleep(_LOOK_S)


def _refused(host: str, port: int) -> OSError | None:
    """Return why nobody could listen there now, None: somebody could."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            # What is left of connections is in nobody's way.
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
    except OSError as error:
        return error
    return None

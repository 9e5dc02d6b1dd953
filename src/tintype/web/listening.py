"""Whether a node can listen where it is told to: asked before it starts, as the server shares a port without a word."""

from __future__ import annotations

import errno
import socket
import time

from tintype.core.errors import Misconfigured

# As long as a node waits for its folder: its predecessor may be draining still, and listens until it has ended.
PATIENCE_S = 10.0
_LOOK_S = 0.1


def ensure_free(host: str, port: int, settings: str, patience_s: float = PATIENCE_S) -> None:
    """Return once a server could listen at this address; port 0 is always free.

    Raises:
        Misconfigured: another one listens there, after all that patience too, or nobody may; it names `settings`.
    """
    until = time.monotonic() + patience_s
    while (error := _refused(host, port)) is not None:
        if error.errno != errno.EADDRINUSE or time.monotonic() >= until:
            where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
            message = f"{settings}: cannot listen at {where} ({error.strerror}); stop what does, or set another"
            raise Misconfigured(message) from error
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

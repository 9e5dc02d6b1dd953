"""Whether a node can listen where it is told to: asked before it starts, as the server shares a port without a word."""

from __future__ import annotations

import socket

from tintype.core.errors import Misconfigured


def ensure_free(host: str, port: int, settings: str) -> None:
    """Return if a server could listen at this address now; port 0 is always free.

    Raises:
        Misconfigured: another one listens there, or nobody may; it names `settings`.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as trial:
            trial.setsockopt(
                socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
            )  # what is left of connections is in nobody's way
            trial.bind(address)
    except OSError as error:
        where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        raise Misconfigured(
            f"{settings}: cannot listen at {where} ({error.strerror}); stop what does, or set another"
        ) from error

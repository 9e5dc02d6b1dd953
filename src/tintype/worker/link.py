"""The worker's end of its socket: one msgpack message a packet, descriptors beside it. Blocking."""

from __future__ import annotations

import os
import select
import socket
from collections.abc import Sequence

import msgspec

from tintype.core.messages import MAX_INPUTS, MAX_PACKET_BYTES, Check, Fork, Job, Probe, Setup
from tintype.core.values import Value

_DECODER = msgspec.msgpack.Decoder(Setup | Probe | Job | Check | Fork)
_ENCODER = msgspec.msgpack.Encoder()


class Link:
    """A socket that carries messages."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def fileno(self) -> int:
        return self._sock.fileno()

    def receive(self) -> tuple[Setup | Probe | Job | Check | Fork, list[int]] | None:
        """Wait for a message; None when the other side has closed, which ends the worker.

        Waiting is not reading: who is killed while it waits dies without having taken a message, and the pool, which can
        tell that, gives it to another.
        """
        self._poll.poll()
        packet, fds, _, _ = socket.recv_fds(self._sock, MAX_PACKET_BYTES, MAX_INPUTS, socket.MSG_CMSG_CLOEXEC)
        return (_DECODER.decode(packet), fds) if packet else None

    def send(self, message: Value, fds: Sequence[int] = ()) -> None:
        socket.send_fds(self._sock, [_ENCODER.encode(message)], fds)

    def close(self) -> None:
        self._sock.close()


def link_of(fd: int) -> Link:
    """Take over a descriptor that is a socket. Of what kind is said, not found out: a zygote's child may not ask."""
    return Link(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd))


def close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)

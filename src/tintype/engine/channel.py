"""The pool's end of a socket to a worker or zygote: one msgpack message a packet, never blocking."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Callable, Sequence
from enum import Enum, auto
from typing import Generic, TypeVar

import msgspec

from tintype.core.errors import EngineFailed
from tintype.core.messages import MAX_PACKET_BYTES, MAX_PLANS, ToWorker, ToZygote
from tintype.engine.results import close_all

M = TypeVar("M")

_ENCODER = msgspec.msgpack.Encoder()
# macOS has no SEQPACKET between local processes; its datagrams keep message bounds as well.
_KIND = socket.SOCK_DGRAM if sys.platform == "darwin" else socket.SOCK_SEQPACKET


def pair() -> tuple[socket.socket, socket.socket]:
    """Return our end, non-blocking, and the worker's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, _KIND)
    ours.setblocking(False)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MAX_PACKET_BYTES)
    return ours, theirs


class End(Enum):
    """How a channel came to its end."""

    HUNG_UP = auto()
    UNREAD = auto()  # the other side ended before it had read all that was sent: Linux then says ECONNRESET
    GARBAGE = auto()  # it sent what is no message of ours; whoever does is not talked to any more


class Channel(Generic[M]):
    """Sends at once or fails, and calls back for each message and for the end."""

    def __init__(
        self,
        sock: socket.socket,
        decoder: msgspec.msgpack.Decoder[M],
        heard: Callable[[M, list[int]], None],
        closed: Callable[[End], None],
    ) -> None:
        """Call `heard` with each message and its descriptors, which it then owns; `closed` when there will be no more."""
        self._sock, self._decoder, self._heard, self._closed = sock, decoder, heard, closed
        self._loop: asyncio.AbstractEventLoop | None = asyncio.get_running_loop()
        self._loop.add_reader(sock.fileno(), self._readable)

    def send(self, packet: bytes, fds: Sequence[int] = ()) -> None:
        """Send an encoded message with copies of descriptors. Raises OSError as sendmsg does."""
        socket.send_fds(self._sock, [packet], fds)

    def close(self) -> None:
        """Hang up; a worker then ends. May be called twice."""
        if self._loop is not None:
            self._loop.remove_reader(self._sock.fileno())
            self._loop = None
        self._sock.close()

    def drain(self) -> None:
        """Hear what the other side, which is gone, has left."""
        while self._loop is not None and self._readable():
            pass

    def _readable(self) -> bool:
        """Hear one packet; false if there is none yet, or no more."""
        try:
            packet, fds, flags, _ = socket.recv_fds(self._sock, MAX_PACKET_BYTES, MAX_PLANS, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionResetError:
            return self._hang_up(End.UNREAD)
        except OSError:
            return self._hang_up(End.HUNG_UP)
        if not packet or flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
            close_all(fds)
            return self._hang_up(End.GARBAGE if packet else End.HUNG_UP)
        return self._hear(packet, fds)

    def _hear(self, packet: bytes, fds: list[int]) -> bool:
        try:
            message = self._decoder.decode(packet)
        except msgspec.MsgspecError:
            close_all(fds)
            return self._hang_up(End.GARBAGE)
        self._heard(message, fds)
        return True

    def _hang_up(self, end: End) -> bool:
        self.close()
        self._closed(end)
        return False


def encode(message: ToWorker | ToZygote) -> bytes:
    """Return the packet of a message.

    Raises:
        EngineFailed: it is larger than a packet may be.
    """
    packet = _ENCODER.encode(message)
    if len(packet) > MAX_PACKET_BYTES:
        raise EngineFailed(f"a message of {len(packet)} bytes; {MAX_PACKET_BYTES} fit: send fewer plans at once")
    return packet

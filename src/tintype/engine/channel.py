"""The pool's end of a socket to a worker or zygote: one msgpack message a packet, never blocking."""

from __future__ import annotations

import asyncio
import socket
import sys
from array import array
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
# Where packets are read, one after the other on the thread of the loop: room for the largest is more than most take.
_ROOM = memoryview(bytearray(MAX_PACKET_BYTES))
_CONTROL_BYTES = socket.CMSG_LEN(MAX_PLANS * array("i").itemsize)
_CUT = int(socket.MSG_TRUNC | socket.MSG_CTRUNC)


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
            size, control, flags, _ = self._sock.recvmsg_into((_ROOM,), _CONTROL_BYTES, socket.MSG_CMSG_CLOEXEC)
        except (BlockingIOError, InterruptedError):
            return False
        except ConnectionResetError:
            return self._hang_up(End.UNREAD)
        except OSError:
            return self._hang_up(End.HUNG_UP)
        fds = _descriptors(control) if control else []
        if not size or flags & _CUT:
            close_all(fds)
            return self._hang_up(End.GARBAGE if size else End.HUNG_UP)
        return self._hear(_ROOM[:size], fds)

    def _hear(self, packet: memoryview, fds: list[int]) -> bool:
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


def _descriptors(control: Sequence[tuple[int, int, bytes]]) -> list[int]:
    fds = array("i")
    for level, kind, data in control:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)


def encode(message: ToWorker | ToZygote) -> bytes:
    """Return the packet of a message.

    Raises:
        EngineFailed: it is larger than a packet may be.
    """
    packet = _ENCODER.encode(message)
    if len(packet) > MAX_PACKET_BYTES:
        raise EngineFailed(f"a message of {len(packet)} bytes; {MAX_PACKET_BYTES} fit: send fewer plans at once")
    return packet

"""A worker whose handler does what its input says: sleeps, crashes, breaks rules. A real, confined process.

Run as `python -m tests.engine.bad_worker`. The input's text is a verb and an argument, such as `echo hello`, `sleep 0.2`, or
`try read_file /etc/passwd` for one of tests/worker/attempts.py.
"""

from __future__ import annotations

import ctypes
import os
import socket
import stat
import sys
import threading
import time
import types
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from tests.worker.attempts import ATTEMPTS
from tintype.core.errors import ImageTooLarge
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.messages import Done, Job, Probe, Probed
from tintype.core.plan import Plan
from tintype.worker import entry, loop


@dataclass
class Text:
    """A result that is a text."""

    body: bytes
    format: Format = Format.PNG
    width: int = 1
    height: int = 1
    frames: int = 1
    decode_ms: float = 1.0
    steps_ms: float = 0.0
    encode_ms: float = 1.0
    pixels: tuple[bytes, bytes] | None = None


class Bad:
    """The handler."""

    def warm(self) -> None:
        ballast.append(bytearray(1_000_000))

    def probe(self, format: Format, source: loop.Buffer, source_pixels: int) -> ImageInfo:
        text = act(source[:].decode())
        return ImageInfo(format=format, width=len(text), height=source_pixels)

    def run(
        self,
        plans: Sequence[Plan],
        inputs: Sequence[tuple[Format, loop.Buffer]],
        there: Mapping[int, loop.Buffer],
        keep: Collection[int],
    ) -> Sequence[Text]:
        said = [act(source[:].decode()) for _, source in inputs]
        took_ms = told.pop() if told else 1.0
        return [Text(" ".join(said).encode(), decode_ms=took_ms) for _ in plans]

    def check(self) -> Sequence[str]:
        return ("nothing decodes", f"worker {os.getpid()}")


ballast: list[bytearray] = []
_BLOCK = 100_000  # below what glibc maps by itself
told: list[float] = []  # what to say of the time that this request takes


def act(text: str) -> str:
    verb, _, argument = text.partition(" ")
    return VERBS[verb](argument)


def sleep(seconds: str) -> str:
    time.sleep(float(seconds))
    return "slept"


def keep(size: str) -> str:
    ballast.append(bytearray(os.urandom(1024) * (int(size) // 1024)))
    return str(os.getpid())


def fragment(size: str) -> str:
    """Leave a heap of `size` bytes, all of it free but for the last block."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype, libc.malloc.argtypes, libc.free.argtypes = (
        ctypes.c_void_p,
        (ctypes.c_size_t,),
        (ctypes.c_void_p,),
    )
    blocks = [libc.malloc(_BLOCK) for _ in range(int(size) // _BLOCK)]
    for block in blocks:
        ctypes.memset(block, 1, _BLOCK)
    for block in blocks[:-1]:
        libc.free(block)
    return str(os.getpid())


def spin_for(seconds: str) -> str:
    end = time.process_time() + float(seconds)
    while time.process_time() < end:
        pass
    return "spun"


def took(ms: str) -> str:
    told.append(float(ms))
    return "lied"


def refuse(reason: str) -> str:
    raise ImageTooLarge(reason)


def surprise(reason: str) -> str:
    raise ValueError(reason)


def leave(status: str) -> str:
    os._exit(int(status))


def attempt(argument: str) -> str:
    name, _, rest = argument.partition(" ")
    try:
        return f"done {ATTEMPTS[name](rest)}"
    except (OSError, MemoryError, ValueError) as error:
        return f"refused {type(error).__name__}"


def babble(which: str) -> str:
    """Answer this request and its likely successors, or `others` only, each in both ways; the next would get our answer."""
    own = _own_id()
    for number in (*(() if which == "others" else (own,)), *range(own + 1, own + 4), *range(4)):
        for message in (Probed(id=number, info=_WRONG), Done(id=number, results=())):
            _post(msgspec.msgpack.encode(message))
    return "babbled"


def babble_later(seconds: str) -> str:
    """Answer as one should, and babble some time after that."""
    own = _own_id()
    packet = msgspec.msgpack.encode(Probed(id=own + 1, info=_WRONG))
    threading.Timer(float(seconds), _post, [packet]).start()
    return "said"


def rubbish(seconds: str) -> str:
    """Answer as one should, and send what is no message some time after that."""
    threading.Timer(float(seconds), _post, [b"\xc1"]).start()
    return "said"


_WRONG = ImageInfo(format=Format.PNG, width=666, height=666)


def _own_id() -> int:
    """Return the number of the request under way, as any code in this process can find it."""
    frame: types.FrameType | None = sys._getframe()
    while frame is not None:
        if isinstance(message := frame.f_locals.get("message"), Probe | Job):
            return message.id
        frame = frame.f_back
    raise LookupError("no request")


def _post(packet: bytes) -> None:
    """Send a packet on our one socket."""
    for fd in range(3, 64):
        if stat.S_ISSOCK(_mode(fd)):
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, fileno=fd)
            sock.sendmsg([packet])
            sock.detach()


def _mode(fd: int) -> int:
    try:
        return os.fstat(fd).st_mode
    except OSError:
        return 0


VERBS: dict[str, Callable[[str], str]] = {
    "echo": lambda text: text,
    "pid": lambda _: str(os.getpid()),
    "big": lambda size: "x" * int(size),
    "sleep": sleep,
    "keep": keep,
    "fragment": fragment,
    "spin_for": spin_for,
    "took": took,
    "refuse": refuse,
    "raise": surprise,
    "exit": leave,
    "babble": babble,
    "babble_later": babble_later,
    "rubbish": rubbish,
    "try": attempt,
}


if __name__ == "__main__":
    entry.main(Bad)

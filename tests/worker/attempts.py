"""What an image that has taken a worker over would try, one function each; run in a confined worker, and outside as control.

Each returns a text on success and raises if it is refused.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_BEFORE = dict(os.environ)


def _check(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def read_file(path: str) -> str:
    return Path(path).read_text(errors="replace")[:20]


def read_in_thread(path: str) -> str:
    """In a new thread, as libvips' own are."""
    found: list[str | OSError] = []

    def work() -> None:
        try:
            found.append(read_file(path))
        except OSError as error:
            found.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if isinstance(found[0], OSError):
        raise found[0]
    return found[0]


def list_dir(path: str) -> str:
    return " ".join(sorted(entry.name for entry in Path(path).iterdir()))


def write_file(path: str) -> str:
    return str(Path(path).write_text("x"))


def remove_file(path: str) -> str:
    Path(path).unlink()
    return "removed"


def connect(port: str) -> str:
    with socket.socket() as sock:
        sock.connect(("127.0.0.1", int(port)))
    return "connected"


def listen(_: str) -> str:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
    return "bound"


def datagram(_: str) -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(b"x", ("127.0.0.1", 9))
    return "sent"


def unix(name: str) -> str:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect("\0" + name)
    return "connected"


def fork(_: str) -> str:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return "forked"


def run(_: str) -> str:
    return str(subprocess.run(["/bin/true"], check=True).returncode)


def execute(_: str) -> str:
    os.execv("/bin/true", ["true"])


def ptrace(pid: str) -> str:
    return str(_check(_LIBC.ptrace(16, int(pid), None, None)))  # PTRACE_ATTACH


def read_memory(pid: str) -> str:
    """process_vm_readv of one byte at our own stack's address, which maps in most processes."""

    class Vector(ctypes.Structure):
        _fields_ = (("base", ctypes.c_void_p), ("length", ctypes.c_size_t))

    here, there = ctypes.create_string_buffer(1), ctypes.create_string_buffer(1)
    local = Vector(ctypes.cast(here, ctypes.c_void_p), 1)
    remote = Vector(ctypes.cast(there, ctypes.c_void_p), 1)
    done = _LIBC.process_vm_readv(int(pid), ctypes.byref(local), 1, ctypes.byref(remote), 1, 0)
    return str(_check(done))


def signal_process(pid: str) -> str:
    os.kill(int(pid), 0)
    return "signalled"


def signal_thread(pid: str) -> str:
    """tgkill, which raise() needs for ourselves, at the first thread of another process."""
    number = {"x86_64": 234, "aarch64": 131}[os.uname().machine]
    return str(_check(_LIBC.syscall(ctypes.c_long(number), int(pid), int(pid), 0)))


def signal_as_owner(pid: str) -> str:
    """Have a pipe of our own send SIGKILL to its owner, whom we name."""
    reading, writing = os.pipe()
    fcntl.fcntl(reading, fcntl.F_SETSIG, signal.SIGKILL)
    fcntl.fcntl(reading, fcntl.F_SETOWN, int(pid))
    fcntl.fcntl(reading, fcntl.F_SETFL, os.O_ASYNC)
    os.write(writing, b"x")
    return "sent"


def control_descriptor(asked: str) -> str:
    """fcntl on a file of our own, straight from the kernel: command and argument."""
    fd = os.memfd_create("own", os.MFD_ALLOW_SEALING)
    command, argument = (ctypes.c_ulong(int(word, 0)) for word in asked.split())
    number = {"x86_64": 72, "aarch64": 25}[os.uname().machine]
    try:
        result = _check(_LIBC.syscall(ctypes.c_long(number), ctypes.c_long(fd), command, argument))
    finally:
        os.close(fd)
    if command.value == fcntl.F_DUPFD_CLOEXEC:
        os.close(result)
    return str(result)


def bpf(_: str) -> str:
    return str(_check(_LIBC.syscall(321, 0, None, 0)))


def unshare(_: str) -> str:
    return str(_check(_LIBC.unshare(0x10000000)))  # CLONE_NEWUSER


def io_uring(_: str) -> str:
    return str(_check(_LIBC.syscall(425, 1, ctypes.create_string_buffer(120))))


def dumpable(_: str) -> str:
    return str(_check(_LIBC.prctl(3, 0, 0, 0, 0)))  # PR_GET_DUMPABLE


def environment(_: str) -> str:
    """What Python and what C see."""
    _LIBC.getenv.restype = ctypes.c_char_p
    return f"{sorted(os.environ)} {sorted(_BEFORE)} {_LIBC.getenv(b'TINTYPE_TEST_SECRET')!r}"


def descriptors(_: str) -> str:
    """Which descriptors are open, found without procfs."""
    kinds = []
    for fd in range(256):
        try:
            facts = os.fstat(fd)
        except OSError:
            continue
        kinds.append(f"{fd}:{facts.st_mode & 0o170000:o}:{facts.st_rdev}")
    return " ".join(kinds)


def allocate(size: str) -> str:
    """Address space without touching it, which costs nothing but the limit."""
    _LIBC.malloc.restype = ctypes.c_void_p
    if not _LIBC.malloc(ctypes.c_size_t(int(size))):
        raise MemoryError
    return "allocated"


def output(size: str) -> str:
    fd = os.memfd_create("big")
    return str(os.pwrite(fd, b"x", int(size) - 1))


def many_files(_: str) -> str:
    opened: list[int] = []
    try:
        while len(opened) < 5000:
            opened.append(os.memfd_create("many"))
    finally:
        for fd in opened:
            os.close(fd)
    return str(len(opened))


def limits(_: str) -> str:
    return f"core {resource.getrlimit(resource.RLIMIT_CORE)}"


def raise_limit(_: str) -> str:
    resource.setrlimit(resource.RLIMIT_CORE, (1, 1))
    return "raised"


def spin(_: str) -> str:
    while True:
        pass


def crash(name: str) -> str:
    signal.raise_signal(getattr(signal, f"SIG{name}"))
    return "survived"


def segfault(_: str) -> str:
    return str(ctypes.string_at(8))


def load_library(_: str) -> str:
    """Allowed: libraries that were not needed until now."""
    import sqlite3  # noqa: PLC0415

    return sqlite3.sqlite_version


ATTEMPTS: dict[str, Callable[[str], str]] = {
    name: value
    for name, value in list(globals().items())
    if callable(value) and getattr(value, "__module__", "") == __name__
}

if __name__ == "__main__":
    print(ATTEMPTS[sys.argv[1]](sys.argv[2]))  # noqa: T201

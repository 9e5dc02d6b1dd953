"""What a confined worker does without a pool; and that every attempt at the sandbox is made."""

from __future__ import annotations

import os
import resource
import signal
import socket
import struct
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.engine.conftest import BAD, sealed
from tests.worker.attempts import ATTEMPTS
from tintype.core.formats import Format
from tintype.core.messages import Input, Probe, Setup
from tintype.worker.sandbox import bpf, seccomp
from tintype.worker.sandbox.layer import LayerMissing

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's")


@pytest.mark.parametrize("confine", [False, True])
def test_no_core_is_dumped(confine: bool, tmp_path: Path) -> None:
    """Of a parent that may dump, and does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    if hard == 0 or not Path("/proc/sys/kernel/core_pattern").read_text().startswith("core"):
        pytest.skip("this system dumps no core files anyway")
    resource.setrlimit(resource.RLIMIT_CORE, (hard, hard))
    try:
        status = crashed(confine=confine, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))
    assert os.WTERMSIG(status) == signal.SIGABRT
    assert os.WCOREDUMP(status) is not confine
    assert bool(list(tmp_path.iterdir())) is not confine


def crashed(*, confine: bool, folder: Path) -> int:
    """Start a worker without a pool, or a free process, let it crash, and return its wait status."""
    if not confine:
        free = [sys.executable, "-P", "-c", "import os; os.abort()"]
        return wait(subprocess.Popen(free, cwd=folder))
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        worker = subprocess.Popen(BAD, cwd=folder, stdin=theirs.fileno())
        ours.settimeout(60)
        setup = Setup(parent=os.getpid(), memory_bytes=10**9, cpu_s=10, result_bytes=10**6)
        ours.send(msgspec.msgpack.encode(setup))
        ours.recv(100_000)
        text = b"try crash ABRT"
        fd = sealed(text)
        probe = Probe(id=1, input=Input(format=Format.PNG, size=len(text)), source_pixels=1)
        socket.send_fds(ours, [msgspec.msgpack.encode(probe)], [fd])
        os.close(fd)
        return wait(worker)


def wait(process: subprocess.Popen[bytes]) -> int:
    _, status = os.waitpid(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return status


def test_every_attempt_is_made() -> None:
    """Whoever adds an attempt adds a test that makes it."""
    text = Path(__file__).with_name("test_sandbox.py").read_text()
    helpers = {"segfault", "crash"}  # made in tests/engine
    assert not [name for name in ATTEMPTS if not name.startswith("_") and name not in text and name not in helpers]


CONSTANTS = st.integers(0, 2**32 - 1)
INSTRUCTIONS = st.lists(st.tuples(st.integers(0, 65535), st.integers(0, 255), st.integers(0, 255), CONSTANTS))


@given(INSTRUCTIONS, CONSTANTS, CONSTANTS)
def test_a_filter_is_filled_in_where_it_is_blank_and_nowhere_else(
    program: list[tuple[int, int, int, int]], blank: int, value: int
) -> None:
    packed = b"".join(struct.pack("=HBBI", *one) for one in program)
    found = list(struct.iter_unpack("=HBBI", bpf.filled(packed, blank, value)))
    assert found == [(*rest, value if constant == blank else constant) for *rest, constant in program]


def test_a_worker_s_filter_has_the_number_of_its_process_to_fill_in_and_a_zygote_s_has_not() -> None:
    try:
        own, zygote = seccomp.compiled(zygote=False), seccomp.compiled(zygote=True)
    except LayerMissing as reason:
        pytest.skip(str(reason))
    assert bpf.filled(own, seccomp._OWN, 4711) != own
    assert bpf.filled(zygote, seccomp._OWN, 4711) == zygote

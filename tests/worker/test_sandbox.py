"""Each layer of the sandbox, proved: a real, confined worker tries the forbidden thing, and so does a free process as control."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.conftest import ROOT
from tests.engine.conftest import Bench, benches
from tintype.core.errors import BrokenImage
from tintype.core.limits import Limits
from tintype.core.messages import MAX_INPUTS, MAX_PLANS
from tintype.engine.settings import Isolation

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the sandbox is Linux's"),
    pytest.mark.asyncio(loop_scope="module"),
]

MODES = [Isolation.NODE, Isolation.IMAGE]  # a spawned worker, and a zygote's child


@pytest_asyncio.fixture(params=MODES, scope="module", loop_scope="module")
async def confined(request: pytest.FixtureRequest) -> AsyncIterator[Bench]:
    """Workers whose parent has a secret in its environment, and a socket open that is inheritable."""
    limits = Limits(worker_memory_bytes=300_000_000, result_bytes=10_000_000, worker_cpu_s=1)
    with pytest.MonkeyPatch.context() as patch, socket.socket() as inheritable:
        patch.setenv("TINTYPE_TEST_SECRET", "hunter2")
        inheritable.set_inheritable(True)
        async with benches() as make:
            yield await make(isolation=request.param, limits=limits, poison_s=0)


@pytest.fixture
def listener() -> Iterator[int]:
    """A port of the loopback that somebody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def victim() -> Iterator[subprocess.Popen[bytes]]:
    """A process of the same user."""
    with subprocess.Popen(["sleep", "120"]) as process:
        yield process
        process.kill()


def ended(process: subprocess.Popen[bytes]) -> int:
    return process.wait(60)


def of_process(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()


def control(name: str, argument: str) -> subprocess.CompletedProcess[str]:
    """Do the same in a process that is not confined."""
    command = [sys.executable, "-m", "tests.worker.attempts", name, argument]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


async def refused(bench: Bench, name: str, argument: str = "") -> str:
    said = await bench.say(f"try {name} {argument}", digest=name)
    assert said.startswith("refused "), said
    return said.removeprefix("refused ")


async def killed(bench: Bench, name: str, argument: str = "") -> None:
    with pytest.raises(BrokenImage, match="SIGSYS"):
        await bench.say(f"try {name} {argument}", digest=name)


@pytest.mark.parametrize("attempt", ["read_file", "read_in_thread"])
@pytest.mark.parametrize("path", ["/etc/passwd", "/proc/self/environ", "/proc/self/maps", str(ROOT / "pyproject.toml")])
async def test_files_cannot_be_read(confined: Bench, attempt: str, path: str) -> None:
    assert control(attempt, path).returncode == 0
    assert await refused(confined, attempt, path) == "PermissionError"


@pytest.mark.parametrize("path", ["/", "/etc", "/home", "/proc", "/tmp", str(ROOT)])
async def test_directories_cannot_be_listed(confined: Bench, path: str) -> None:
    assert control("list_dir", path).returncode == 0
    assert await refused(confined, "list_dir", path) == "PermissionError"


async def test_files_cannot_be_written_or_removed(confined: Bench, tmp_path: Path) -> None:
    present = tmp_path / "present"
    assert control("write_file", str(present)).returncode == 0
    assert await refused(confined, "write_file", str(present)) == "PermissionError"
    assert await refused(confined, "write_file", str(tmp_path / "new")) == "PermissionError"
    assert await refused(confined, "remove_file", str(present)) == "PermissionError"
    inside = Path(os.__file__).parent / "tintype_test_file"  # what may be read may not be written either
    assert await refused(confined, "write_file", str(inside)) == "PermissionError"
    assert present.exists()
    assert not inside.exists()


async def test_libraries_and_fonts_can_still_be_read(confined: Bench) -> None:
    assert (await confined.say("try load_library x")).startswith("done 3.")


async def test_nothing_can_be_connected_to_or_listened_on(confined: Bench, listener: int) -> None:
    assert control("connect", str(listener)).returncode == 0
    assert await refused(confined, "connect", str(listener)) == "PermissionError"
    for attempt in ("listen", "datagram"):
        assert control(attempt, "").returncode == 0
        assert await refused(confined, attempt) == "PermissionError"
    with socket.socket(socket.AF_UNIX) as server:
        name = f"tintype-test-{os.getpid()}"
        server.bind("\0" + name)
        server.listen()
        assert control("unix", name).returncode == 0
        assert await refused(confined, "unix", name) == "PermissionError"


async def test_no_process_can_be_made_or_signalled(confined: Bench) -> None:
    assert control("fork", "").returncode == 0
    assert await refused(confined, "fork") == "PermissionError"
    for attempt in ("signal_process", "signal_thread"):
        assert control(attempt, str(os.getpid())).returncode == 0
        assert await refused(confined, attempt, str(os.getpid())) == "PermissionError"


async def test_no_process_can_be_signalled_as_owner_of_a_descriptor(
    confined: Bench, victim: subprocess.Popen[bytes]
) -> None:
    """Where Landlock scopes signals this would come to nothing anyway; the filter ends who tries, on any kernel."""
    await killed(confined, "signal_as_owner", str(victim.pid))
    assert victim.poll() is None
    assert control("signal_as_owner", str(victim.pid)).returncode == 0
    assert ended(victim) == -signal.SIGKILL


@pytest.mark.parametrize("command", [fcntl.F_SETOWN, fcntl.F_SETSIG, 15])  # F_SETOWN_EX
async def test_each_part_of_signalling_as_owner_ends_the_worker(confined: Bench, command: int) -> None:
    await killed(confined, "control_descriptor", f"{command} 0")


@pytest.mark.parametrize(
    "asked",
    [
        f"{fcntl.F_SETFL} {os.O_ASYNC}",
        f"{fcntl.F_SETFL} {os.O_ASYNC | os.O_NONBLOCK}",
        f"{1 << 32 | fcntl.F_SETOWN} 0",  # of which the kernel takes the lower half
        f"{fcntl.F_SETLEASE} {fcntl.F_UNLCK}",
        f"{fcntl.F_NOTIFY} 0",
        f"{fcntl.F_GETOWN} 0",
    ],
)
async def test_fcntl_does_no_more_than_is_needed(confined: Bench, asked: str) -> None:
    assert await refused(confined, "control_descriptor", asked) in ("OSError", "PermissionError")


async def test_what_descriptors_need_is_allowed(confined: Bench) -> None:
    for command in (fcntl.F_GETFD, fcntl.F_GETFL, fcntl.F_DUPFD_CLOEXEC, fcntl.F_GET_SEALS):
        assert (await confined.say(f"try control_descriptor {command} 0")).startswith("done")
    assert await confined.say(f"try control_descriptor {fcntl.F_SETFL} {os.O_NONBLOCK}") == "done 0"
    assert await confined.say(f"try control_descriptor {fcntl.F_ADD_SEALS} {fcntl.F_SEAL_WRITE}") == "done 0"


@pytest.mark.parametrize("attempt", ["execute", "ptrace", "read_memory", "bpf", "unshare", "io_uring"])
async def test_hostile_system_calls_end_the_worker(confined: Bench, attempt: str) -> None:
    assert control(attempt, "1").returncode != -signal.SIGSYS
    await killed(confined, attempt, str(os.getpid()))
    assert await confined.say("echo the next") == "the next"


async def test_programs_do_not_run(confined: Bench) -> None:
    assert control("run", "").returncode == 0
    said = await confined.say("try run", digest="run")
    assert said.startswith("refused")


async def test_the_environment_has_no_secret(confined: Bench) -> None:
    assert "TINTYPE_TEST_SECRET" in control("environment", "").stdout
    said = await confined.say("try environment x")
    assert "SECRET" not in said
    assert "hunter2" not in said
    assert "PATH" not in said.split("]")[0]
    assert said.endswith("None")


async def test_a_worker_s_process_environment_has_no_secret(confined: Bench) -> None:
    """Not even in the copy that the kernel keeps of what the process was started with."""
    assert "SECRET" not in of_process(await confined.a_worker(), "environ")


async def test_no_descriptor_is_inherited(confined: Bench) -> None:
    """/dev/null three times, the socket, and at most our own statistics; beside them the mapped input of this request."""
    said = (await confined.say("try descriptors x")).removeprefix("done ").split()
    kinds = [entry.split(":") for entry in said]
    assert [device for _, _, device in kinds[:3]] == [str(os.makedev(1, 3))] * 3
    assert sum(int(mode, 8) == 0o140000 for _, mode, _ in kinds) == 1  # one socket
    assert sum(int(mode, 8) == 0o100000 for _, mode, _ in kinds) <= 2  # statm and the source
    assert len(kinds) <= 6


async def test_memory_is_bounded(confined: Bench) -> None:
    assert control("allocate", "2000000000").returncode == 0
    assert await refused(confined, "allocate", "400000000") == "MemoryError"
    assert await confined.say("try allocate 100000000") == "done allocated"


async def test_cpu_time_is_bounded(confined: Bench) -> None:
    with pytest.raises(BrokenImage, match=r"limits\.worker_cpu_s"):
        await confined.say("try spin x")


async def test_output_is_bounded(confined: Bench) -> None:
    assert control("output", "20000000").returncode == 0
    assert await refused(confined, "output", "20000000") == "OSError"
    assert await confined.say("try output 10000000") == "done 1"


async def test_descriptors_are_bounded(confined: Bench) -> None:
    """To little more than the largest job takes, as each can hold a file in memory."""
    assert control("many_files", "").returncode == 0
    assert await refused(confined, "many_files") == "OSError"
    limits = of_process(await confined.a_worker(), "limits")
    (most,) = re.findall(r"^Max open files +(\d+) +\1 ", limits, re.MULTILINE)
    assert MAX_INPUTS + MAX_PLANS < int(most) < 128


async def test_the_largest_job_has_descriptors_enough(confined: Bench) -> None:
    assert await confined.say("echo " + "x" * 5000, plans=MAX_PLANS, inputs=MAX_INPUTS) == " ".join(
        ["x" * 5000] * MAX_INPUTS
    )


async def test_a_worker_goes_first_when_memory_runs_out(confined: Bench) -> None:
    """What it writes into files in memory counts against none of its limits."""
    assert of_process(os.getpid(), "oom_score_adj") != "1000\n"
    worker = await confined.a_worker()
    assert of_process(worker, "oom_score_adj") == "1000\n"


async def test_limits_cannot_be_raised(confined: Bench) -> None:
    assert await confined.say("try limits x") == "done core (0, 0)"
    assert (await refused(confined, "raise_limit")) in ("ValueError", "PermissionError")


async def test_others_cannot_look_in(confined: Bench) -> None:
    """Not dumpable also means: no ptrace and no /proc/PID/mem for processes of the same user."""
    assert control("dumpable", "").stdout == "1\n"
    assert await confined.say("try dumpable x") == "done 0"


async def test_privileges_cannot_be_gained(confined: Bench) -> None:
    status = of_process(await confined.a_worker(), "status")
    assert "NoNewPrivs:\t1" in status
    assert "Seccomp:\t2" in status

"""A real node for benchmarks: `tintype serve` on loopback, with signed URLs, its metrics and what its processes take."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import psutil

from tintype.urls import Argument, Signer

KEY, SALT = "11" * 32, "22" * 32
_READY_S, _END_S = 60.0, 40.0
PATIENT = {"admission.crowd_s": 30.0, "admission.burst_s": 30.0}


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass(frozen=True)
class Memory:
    """Bytes: pages of each process (shared ones counted in each), and with shared pages divided (0 where unknown)."""

    rss: int
    pss: int


class Cpu(NamedTuple):
    """CPU seconds of supervisor and front, and of workers."""

    front: float
    workers: float


@dataclass
class Node:
    """A running node: supervisor, front and workers. Its data and its log are in `folder`."""

    port: int
    metrics_port: int
    folder: Path
    process: psutil.Process
    signer: Signer = field(default_factory=lambda: Signer(KEY, SALT))

    def path(self, source: str, *, format: str = "", **options: Argument | tuple[Argument, ...]) -> str:
        """Return a signed path."""
        return self.signer.url(source, format=format, **options)  # type: ignore[arg-type]

    def ask(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
        """Return status, headers (lower case) and body of one request on a connection of its own."""
        return ask(self.port, path, headers)

    def metrics(self) -> dict[str, float]:
        """Return every sample of a scrape by its name with labels."""
        lines = ask(self.metrics_port, "/metrics")[2].decode().splitlines()
        samples = (line.rpartition(" ") for line in lines if line and line[0] != "#")
        return {name: float(value) for name, _, value in samples}

    def processes(self) -> list[psutil.Process]:
        """Return the supervisor and everything below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            return [self.process, *self.process.children(recursive=True)]
        return []

    def workers(self) -> list[psutil.Process]:
        return [p for p in self.processes() if _is_worker(p)]

    def memory(self) -> Memory:
        rss = pss = 0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                rss += process.memory_info().rss
                pss += getattr(process.memory_full_info(), "pss", 0)
        return Memory(rss, pss)

    def cpu_s(self) -> Cpu:
        """Return CPU seconds so far, of ended workers too."""
        front = workers = 0.0
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                times = process.cpu_times()
                own = times.user + times.system
                front, workers = (front, workers + own) if _is_worker(process) else (front + own, workers)
                workers += times.children_user + times.children_system
        return Cpu(front, workers)

    def log(self) -> str:
        return (self.folder / "node.log").read_text(errors="replace")

    def wait_ready(self) -> None:
        """Wait until the engine answers; raises RuntimeError with the log if it never does."""
        deadline = time.monotonic() + _READY_S
        while time.monotonic() < deadline and self.process.is_running():
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("/ready")[0] == 200:
                    return
            time.sleep(0.05)
        raise RuntimeError(f"the node is not ready:\n{self.log()[-4000:]}")


def ask(port: int, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """Return status, headers (lower case) and body of one GET."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def _is_worker(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return "tintype.worker" in process.cmdline()
    return False


@contextlib.contextmanager
def running(
    folder: Path,
    settings: Mapping[str, object] | None = None,
    *,
    env: Mapping[str, str] | None = None,
    port: int = 0,
    options: tuple[str, ...] = (),
) -> Iterator[Node]:
    """Run a node until the block ends. A second one on the same folder finds the caches of the first.

    Args:
        folder: of its data and log.
        settings: by dotted name, on top of a tenant with the keys above, logs at info as JSON, and a patience that no load
            of a bench wears out: what is measured is work, not who is refused.
        env: further variables.
        port: to listen on; 0 = a free one.
        options: further lines of the TOML's tenant table.
    """
    folder.mkdir(parents=True, exist_ok=True)
    port, metrics_port = port or free_port(), free_port()
    file = folder / "tintype.toml"
    file.write_text("\n".join(["[tenants.default]", f'keys = ["{KEY}"]', f'salts = ["{SALT}"]', *options, ""]))
    chosen = {"server.metrics_port": metrics_port, "telemetry.log_format": "json", **PATIENT, **(settings or {})}
    command = [sys.executable, "-m", "tintype", "serve", "--config", str(file), "--port", str(port)]
    command += ["--data-dir", str(folder / "var")]
    command += [part for name, value in chosen.items() for part in ("--set", f"{name}={_toml(value)}")]
    # An installed node has its bytecode: one that compiles itself anew at each start is slower than any that is run.
    unwanted = ("IMGPROXY_", "TINTYPE_", "PYTHONDONTWRITEBYTECODE")
    clean = {k: v for k, v in os.environ.items() if not k.startswith(unwanted)}
    with (folder / "node.log").open("ab") as log:
        process = subprocess.Popen(command, env={**clean, **(env or {})}, stdout=log, stderr=log, cwd=folder)
    try:
        node = Node(port, metrics_port, folder, psutil.Process(process.pid))
        node.wait_ready()
        yield node
    finally:
        end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process politely, then not."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(_END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _toml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def total(metrics: Mapping[str, float], name: str, **labels: str) -> float:
    """Return a metric summed over the labels not given."""
    wanted = [f'{k}="{v}"' for k, v in labels.items()]
    return sum(
        v for k, v in metrics.items() if k.partition("{")[0] == f"tintype_{name}" and all(w in k for w in wanted)
    )

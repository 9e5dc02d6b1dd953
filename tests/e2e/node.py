"""A real node for tests: the command a user runs, on a free port, in a folder of its own."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path


def free_port() -> int:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port: int = listening.getsockname()[1]
        return port


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Node:
    """A running `tintype serve`. `log` is its standard error so far."""

    port: int
    process: subprocess.Popen[bytes]
    folder: Path
    metrics_port: int = 0
    env: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def metric(self, name: str, **labels: str) -> float:
        """Return a metric's value summed over the labels not given."""
        connection = http.client.HTTPConnection("127.0.0.1", self.metrics_port, timeout=10)
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
        connection.close()
        wanted = [f'{k}="{v}"' for k, v in labels.items()]
        return sum(
            float(line.rsplit(" ", 1)[1])
            for line in lines
            if line.split("{")[0].split(" ")[0] == name and all(w in line for w in wanted)
        )

    @property
    def log(self) -> str:
        return (self.folder / "err.log").read_text()

    def children(self) -> list[int]:
        """Return the process ids of the supervisor's children: the front."""
        pid = self.process.pid
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]

    def wait_ready(self, timeout_s: float = 240) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the node ended with {self.process.returncode}:\n{self.log}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.ask("/ready").status == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(f"the node is not ready after {timeout_s} s:\n{self.log}")


@contextlib.contextmanager
def running(
    folder: Path,
    toml: str = "",
    env: Mapping[str, str] | None = None,
    *,
    metrics: bool = False,
    ready: bool = True,
    under: Sequence[str] = (),
    python: Sequence[str] = (),
) -> Iterator[Node]:
    """Run a node until the block ends; its caches stay in `folder`, so that a second one finds them.

    `under`: a command that runs the command that follows it. `python`: options of the supervisor's interpreter.
    """
    port, metrics_port = free_port(), free_port() if metrics else 0
    config = folder / "tintype.toml"
    config.write_text(toml)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("IMGPROXY_", "TINTYPE_"))}
    command = [*under, sys.executable, *python, "-m", "tintype", "serve", "--config", str(config), "--port", str(port)]
    command += ["--data-dir", str(folder / "var"), "--set", f"server.metrics_port={metrics_port}"]
    with (folder / "err.log").open("ab") as err, (folder / "out.log").open("ab") as out:
        process = subprocess.Popen(command, env={**clean, **(env or {})}, stdout=out, stderr=err, cwd=folder)
    node = Node(port, process, folder, metrics_port, env or {})
    try:
        if ready:
            node.wait_ready()
        yield node
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

"""The shipped nginx configuration in front of real nodes: only ports, paths and temporary folders are filled in."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.conftest import ROOT, tool
from tests.e2e.conftest import OPEN
from tests.e2e.node import Answer, Node, free_port, running

CONF = ROOT / "examples" / "nginx" / "tintype.conf"
# What the tenant "brief" answers is kept for so long; nginx counts whole seconds.
TTL_S = 1
EXPIRED_S = TTL_S + 1.1

SETTINGS = (
    OPEN.replace("workers = 2", "workers = 1").replace(
        "[server]", '[server]\nhand_over = "/handed"\ntrusted_proxies = ["127.0.0.1"]'
    )
    + f"""
[tenants.default.policy]
auto_formats = ["avif", "webp"]
[tenants.default.delivery]
edge_ttl_s = 600
promote = false
[tenants.brief]
prefix = "/brief"
trusted_signatures = ["unsafe"]
delivery.edge_ttl_s = {TTL_S}
[tenants.devices]
prefix = "/devices"
trusted_signatures = ["unsafe"]
delivery.edge_ttl_s = 60
delivery.forward_headers = ["X-Device"]
[tenants.secret]
prefix = "/secret"
trusted_signatures = ["unsafe"]
delivery.edge_ttl_s = 60
delivery.secret = "open sesame"
[tenants.metered]
prefix = "/metered"
trusted_signatures = ["unsafe"]
client_quota.ms_per_day = 1
"""
)


@dataclass
class Edge:
    """A running nginx on `port`; `spy` answers with what the source part of a path is taken to be."""

    port: int
    spy: int
    nodes: list[Node] = field(default_factory=list)

    def ask(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        *,
        port: int = 0,
        method: str = "GET",
        client: str = "127.0.0.1",
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=60, source_address=(client, 0))
        try:
            connection.request(method, path, headers=dict(headers or {}))
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def state(self, path: str, headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Return the status and what became of it in the edge's cache."""
        answer = self.ask(path, headers)
        return answer.status, answer.headers.get("x-edge", "")

    def source_of(self, path: str) -> str:
        return self.ask(path, port=self.spy).body.decode()

    def together(self, paths: list[str]) -> list[Answer]:
        with ThreadPoolExecutor(len(paths)) as pool:
            return list(pool.map(self.ask, paths))

    def total(self, metric: str, **labels: str) -> float:
        return sum(node.metric(metric, **labels) for node in self.nodes)

    def purge(self, source: str) -> None:
        """Purge every node, as nodes without a store in common have to be."""
        for node in self.nodes:
            answer = node.ask(
                "/v1/purge",
                "POST",
                {"Authorization": "Bearer admin", "Content-Type": "application/json"},
                f'{{"source": "{source}"}}'.encode(),
            )
            assert answer.status == 200, answer.body


def filled(folder: Path, port: int, ports: list[int]) -> str:
    """Return the configuration for these ports and this folder."""
    conf = CONF.read_text("utf-8")
    given = [f"127.0.0.1:{8081 + i}" for i in range(3)]
    for old, new in (
        *zip(given, (f"127.0.0.1:{one}" for one in ports), strict=True),
        ("listen 80;", f"listen 127.0.0.1:{port} backlog=512;"),
        ("/var/cache/nginx/tintype", str(folder / "kept")),
    ):
        assert conf.count(old) == 1, old
        conf = conf.replace(old, new)
    return conf


def written(folder: Path, port: int, spy: int, ports: list[int]) -> list[str]:
    """Write a whole configuration; returns the command that runs nginx with it."""
    nginx = tool("nginx", "apt-get install nginx-light")
    folders = " ".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # its workers write to our folder
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; worker_processes 2; pid {folder / 'pid'}; error_log {folder / 'error.log'};\n"
        f"events {{ worker_connections 1024; }}\nhttp {{ access_log {folder / 'access.log'}; {folders}\n"
        f"{filled(folder, port, ports)}\n"
        f"server {{ listen 127.0.0.1:{spy}; large_client_header_buffers 4 16k; return 200 $tintype_source; }}\n}}\n"
    )
    return [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), "-p", str(folder)]


@contextlib.contextmanager
def nginx(folder: Path, ports: list[int]) -> Iterator[Edge]:
    """Run nginx in front of whatever listens at these ports."""
    edge = Edge(free_port(), free_port())
    command = written(folder, edge.port, edge.spy, ports)
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until(lambda: _answers(edge, process, folder / "error.log"), "nginx does not answer")
        yield edge
    finally:
        process.terminate()
        process.wait(30)


def _answers(edge: Edge, process: subprocess.Popen[bytes], log: Path) -> bool:
    assert process.poll() is None, log.read_text() if log.exists() else "nginx ended"
    with contextlib.suppress(OSError):
        return edge.ask("/", port=edge.spy).status == 200
    return False


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Edge]:
    """Run three nodes, and nginx in front of them."""
    tool("nginx", "apt-get install nginx-light")
    with contextlib.ExitStack() as stack:
        nodes = []
        for name in ("one", "two", "three"):
            (folder / name).mkdir()
            nodes.append(stack.enter_context(running(folder / name, SETTINGS, metrics=True, ready=False)))
        for node in nodes:
            node.wait_ready()
        edge = stack.enter_context(nginx(folder, [node.port for node in nodes]))
        edge.nodes = nodes
        yield edge


def until(holds: Callable[[], bool], otherwise: str, timeout_s: float = 120) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)


def kill(node: Node) -> None:
    """End a node as a power cut would: supervisor and front, without a word."""
    fronts = node.children()
    for pid in (node.process.pid, *fronts):
        os.kill(pid, signal.SIGKILL)
    node.process.wait(30)


def drain(node: Node) -> None:
    """Stop a node as an operator does, and wait for its end."""
    node.process.send_signal(signal.SIGTERM)
    node.process.wait(60)

"""Three real nodes with one Valkey and one object store: a result is made once, whoever asks, and whatever dies."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from tests.coordination.server import Server
from tests.e2e.conftest import picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page, origin_server
from tests.sources.gateway import ACCESS, SECRET, Gateway

LEAD_S = 2.0
TOML = """
[sources]
allow_loopback = true
[engine]
workers = 1
[server]
admin_token = "admin"
[cache]
object_url = "s3://results/here"
[coordination]
valkey_url = "{valkey}"
lead_s = {lead_s}
timeout_s = {timeout_s}
[tenants.default]
trusted_signatures = ["unsafe"]
"""


@dataclass
class Cluster:
    nodes: list[Node]
    valkey: Server
    origin: Origin

    def path(self, width: int) -> str:
        return f"/unsafe/w:{width}/plain/{self.origin.url}/a.jpg"

    def renders(self) -> list[float]:
        return [node.metric("tintype_engine_seconds_count", kind="run") for node in self.nodes]

    def warm(self, width: int) -> None:
        """Have every node know the source, and that its result is shared."""
        for node in self.nodes:
            assert node.ask(self.path(width)).status == 200


def cluster_of(folder: Path, stack: ExitStack, timeout_s: float) -> Cluster:
    origin = stack.enter_context(origin_server())
    origin.pages["/a.jpg"] = Page(picture(900, 600, seed=7), headers={"Cache-Control": "max-age=600"})
    gateway = stack.enter_context(Gateway(folder / "gateway"))
    gateway.make_bucket("results")
    valkey = stack.enter_context(Server(folder))
    env = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": gateway.endpoint,
        "AWS_REGION": "us-east-1",
    }
    toml = TOML.format(valkey=valkey.url, lead_s=LEAD_S, timeout_s=timeout_s)
    nodes = []
    for name in ("one", "two", "three"):
        (folder / name).mkdir()
        nodes.append(stack.enter_context(running(folder / name, toml, env, metrics=True, ready=False)))
    for node in nodes:
        node.wait_ready()
    return Cluster(nodes, valkey, origin)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with ExitStack() as stack:
        # A machine that is busy with other things is no Valkey that is away.
        yield cluster_of(tmp_path_factory.mktemp("cluster"), stack, timeout_s=5.0)


async def ask_all(cluster: Cluster, path: str, times: int) -> list[tuple[int, bytes]]:
    """Ask all nodes at once."""
    timeout = aiohttp.ClientTimeout(total=50)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def ask(number: int) -> tuple[int, bytes]:
            port = cluster.nodes[number % len(cluster.nodes)].port
            async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                return answer.status, await answer.read()

        return await asyncio.gather(*map(ask, range(times)))


def test_a_thousand_cold_requests_over_three_nodes_are_one_render(cluster: Cluster) -> None:
    before = sum(cluster.renders())
    answers = asyncio.run(ask_all(cluster, cluster.path(300), 1000))
    assert {status for status, _ in answers} == {200}
    assert len({body for _, body in answers}) == 1
    assert sum(cluster.renders()) - before == 1

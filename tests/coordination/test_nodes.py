"""Three real nodes with one Valkey and one object store: a result is made once, whoever asks, and whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import psutil
import pytest

from tests.coordination.server import Server
from tests.e2e.conftest import PATIENT, picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page, origin_server
from tests.sources.gateway import ACCESS, SECRET, Gateway

pytestmark = pytest.mark.alone

LATE = "s late with everything"
LEAD_S = 4.0
REQUEST_S = 60.0
TOML = """
[sources]
allow_loopback = true
{patient}
[limits]
request_timeout_s = {request_s}
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
[tenants.small]
prefix = "/small"
trusted_signatures = ["unsafe"]
quota.ms_per_day = 1
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
    origin.pages["/a.jpg"] = Page(picture(2400, 1600, seed=7), headers={"Cache-Control": "max-age=600"})
    gateway = stack.enter_context(Gateway(folder / "gateway"))
    gateway.make_bucket("results")
    valkey = stack.enter_context(Server(folder))
    env = {
        "AWS_ACCESS_KEY_ID": ACCESS,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_ENDPOINT_URL": gateway.endpoint,
        "AWS_REGION": "us-east-1",
    }
    toml = TOML.format(valkey=valkey.url, lead_s=LEAD_S, timeout_s=timeout_s, patient=PATIENT, request_s=REQUEST_S)
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
        yield cluster_of(tmp_path_factory.mktemp("cluster"), stack, timeout_s=2.0)


async def ask_all(cluster: Cluster, path: str, times: int) -> list[tuple[int, bytes]]:
    """Ask all nodes at once. Who is told that a node is late with so many asks again."""
    timeout = aiohttp.ClientTimeout(total=240)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=timeout) as session:

        async def ask(number: int) -> tuple[int, bytes]:
            port = cluster.nodes[number % len(cluster.nodes)].port
            for _ in range(100):
                async with session.get(f"http://127.0.0.1:{port}{path}") as answer:
                    body = await answer.read()
                if LATE not in answer.headers.get("x-tintype-error", ""):
                    break
                await asyncio.sleep(0.1)
            return answer.status, body

        return await asyncio.gather(*map(ask, range(times)))


def until(what: Callable[[], bool], for_s: float = 90) -> None:
    deadline = time.monotonic() + for_s
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def signal_workers(node: Node, number: signal.Signals) -> None:
    for front in node.children():
        for worker in psutil.Process(front).children(recursive=True):
            worker.send_signal(number)


def kill(node: Node) -> None:
    """Have a node's machine lose power: its supervisor first, so that nothing is started again."""
    fronts = node.children()
    node.process.kill()
    for front in fronts:
        os.kill(front, signal.SIGKILL)


def leads(cluster: Cluster) -> int:
    with cluster.valkey.client as client:
        return len(client.keys("tintype:lead:*"))


def tries(cluster: Cluster) -> int:
    """Return how often a node tried to take a lead."""
    with cluster.valkey.client as client:
        return int(client.info("commandstats").get("cmdstat_set", {"calls": 0})["calls"])


def test_a_thousand_cold_requests_over_three_nodes_are_one_render(cluster: Cluster) -> None:
    cluster.warm(80)
    counts = []
    for width in (
        300,
        301,
        302,
    ):  # a machine that is too busy to read what is shared in time renders again, not each time
        before, tried = sum(cluster.renders()), tries(cluster)
        for node in cluster.nodes:
            signal_workers(node, signal.SIGSTOP)
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(asyncio.run, ask_all(cluster, cluster.path(width), 1000))
            try:
                until(lambda tried=tried: tries(cluster) == tried + 3)  # type: ignore[misc]
            finally:
                for node in cluster.nodes:
                    signal_workers(node, signal.SIGCONT)
            answers = asked.result()
        assert {status for status, _ in answers} == {200}
        assert len({body for _, body in answers}) == 1
        counts.append(sum(cluster.renders()) - before)
        if counts[-1] == 1:
            break
    assert counts[-1] == 1, counts
    assert sum(node.metric("tintype_leads_total", result="waited") for node in cluster.nodes) >= 2


@pytest.mark.parametrize("fault", ["kill", "pause"])
def test_without_valkey_each_node_renders_once_at_most_and_nothing_fails(cluster: Cluster, fault: str) -> None:
    cluster.warm(80)
    before = cluster.renders()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(asyncio.run, ask_all(cluster, cluster.path(310 if fault == "kill" else 320), 150))
        getattr(cluster.valkey, fault)()
        answers = asked.result()
    assert {status for status, _ in answers} == {200}
    assert max(after - was for after, was in zip(cluster.renders(), before, strict=True)) <= 1
    cluster.valkey.start() if fault == "kill" else cluster.valkey.resume()
    until(lambda: sum(node.metric("tintype_coordination_up") for node in cluster.nodes) == 3)


def test_what_a_tenant_spends_on_one_node_it_cannot_spend_on_another(cluster: Cluster) -> None:
    one, two, three = cluster.nodes
    assert (
        one.ask("/small" + cluster.path(90)).status == 200
    )  # more than the quota, which is let in while nothing is owed
    refused = two.ask("/small" + cluster.path(91))
    assert refused.status == 429
    assert refused.headers["ratelimit-policy"] == '"day";q=1;qu="tintype-worker-ms";w=86400'
    assert three.ask("/small" + cluster.path(90)).status == 200  # found in what they share


def test_who_looks_does_not_wait_for_a_prefetch_in_the_queue_of_another_node(cluster: Cluster) -> None:
    cluster.warm(80)
    one, two = cluster.nodes[:2]
    path = cluster.path(341)
    led, alone = (two.metric("tintype_leads_total", result=result) for result in ("led", "alone"))
    signal_workers(one, signal.SIGSTOP)
    with ThreadPoolExecutor(2) as pool:
        try:
            under_way = pool.submit(one.ask, cluster.path(340))
            until(lambda: leads(cluster) == 1)
            prefetch = pool.submit(one.ask, path, "GET", {"Sec-Purpose": "prefetch"})
            until(lambda: leads(cluster) == 2)
            assert two.ask(path).status == 200
        finally:
            signal_workers(one, signal.SIGCONT)
        assert {under_way.result().status, prefetch.result().status} == {200}
    assert two.metric("tintype_leads_total", result="led") == led + 1
    assert two.metric("tintype_leads_total", result="alone") == alone  # as after half of its time


def test_a_leader_killed_is_followed_by_one_other(cluster: Cluster) -> None:
    cluster.warm(80)
    first, *others = cluster.nodes
    before = cluster.renders()
    path = cluster.path(330)
    signal_workers(first, signal.SIGSTOP)
    with ThreadPoolExecutor(8) as pool:
        lost = pool.submit(first.ask, path)
        until(lambda: leads(cluster) == 1)
        asked: list[Future[Answer]] = [pool.submit(other.ask, path) for other in others for _ in range(3)]
        time.sleep(1.5 * LEAD_S)
        assert not any(one.done() for one in asked), "the leader lives, and says so"
        assert others[0].ask(cluster.path(331)).status == 200, "who waits holds no worker"
        kill(first)
        killed_at = time.monotonic()
        assert {one.result().status for one in asked} == {200}
        took_s = time.monotonic() - killed_at
        assert lost.exception() is not None
    cluster.nodes = others
    assert sum(cluster.renders()) - sum(before[1:]) == 2  # that, and the one meanwhile
    assert took_s < REQUEST_S / 2  # and not their whole time
    until(lambda: leads(cluster) == 0)

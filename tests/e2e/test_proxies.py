"""A real node and raw sockets: what trusted proxies say of who asks counts, and from anybody else the same changes nothing.

The proxy is at 127.0.0.2, a client that tries the same by itself at 127.0.0.1.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from tests.e2e.conftest import picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page

TOML = """
[server]
trusted_proxies = ["127.0.0.2", "198.51.100.0/24"]
[sources]
allow_loopback = true
[engine]
workers = 1
heavy_ms = 100000
[admission]
crowd_s = 60
burst_s = 60
[tenants.metered]
prefix = "/metered"
trusted_signatures = ["unsafe"]
client_quota.ms_per_day = 1
[tenants.dark]
prefix = "/dark"
trusted_signatures = ["unsafe"]
client_quota = { ms_per_day = 1, dark = true }
[tenants.free]
prefix = "/free"
trusted_signatures = ["unsafe"]
"""
PROXY, ANYBODY = "127.0.0.2", "127.0.0.1"
A, B = "203.0.113.1", "203.0.113.2"


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    for number in range(10):
        origin.pages[f"/{number}.jpg"] = Page(picture(seed=number + 1), headers={"Cache-Control": "max-age=600"})
    origin.pages["/large.jpg"] = Page(picture(4000, 3000, seed=9), headers={"Cache-Control": "max-age=600"})
    with running(tmp_path_factory.mktemp("node"), TOML, metrics=True) as one:
        yield one


def ask(node: Node, peer: str, target: str, *headers: str) -> Answer:
    """Send a request as it stands, from an address of this machine."""
    with socket.create_connection(("127.0.0.1", node.port), timeout=60, source_address=(peer, 0)) as to:
        lines = [f"GET {target} HTTP/1.1", "Host: img", "Connection: close", *headers, "", ""]
        to.sendall("\r\n".join(lines).encode())
        received = b""
        while piece := to.recv(65536):
            received += piece
    head, _, body = received.partition(b"\r\n\r\n")
    first, *fields = head.decode().split("\r\n")
    return Answer(int(first.split(" ")[1]), dict(field.lower().split(": ", 1) for field in fields), body)


def status(node: Node, peer: str, target: str, *headers: str) -> int:
    return ask(node, peer, target, *headers).status


def test_clients_have_quotas_where_a_trusted_proxy_names_them(node: Node, origin: Origin) -> None:
    widths = iter(range(40, 400))

    def miss(peer: str, *headers: str, tenant: str = "metered") -> int:
        return status(node, peer, f"/{tenant}/unsafe/w:{next(widths)}/plain/{origin.url}/0.jpg", *headers)

    assert miss(PROXY, f"X-Forwarded-For: {A}") == 200
    assert miss(PROXY, f"X-Forwarded-For: {A}") == 429
    assert miss(PROXY, f"X-Forwarded-For: {B}, {A}, 198.51.100.7") == 429  # what A wrote itself is on the left
    assert miss(PROXY, f"Forwarded: for={A}") == 429
    assert miss(PROXY, f"X-Forwarded-For: {B}") == 200
    # Nobody is told apart by his own word, nor spends what is another's.
    assert [miss(ANYBODY, f"X-Forwarded-For: {A}", f"Forwarded: for={A}") for _ in range(3)] == [200, 200, 200]
    assert [miss(PROXY) for _ in range(2)] == [200, 200]
    refused = ask(node, PROXY, f"/metered/unsafe/w:{next(widths)}/plain/{origin.url}/0.jpg", f"X-Forwarded-For: {A}")
    assert refused.headers["ratelimit-policy"] == '"client-day";q=1;qu="tintype-worker-ms";w=86400'
    assert int(refused.headers["retry-after"]) >= 1
    assert [miss(PROXY, f"X-Forwarded-For: {A}", tenant="dark") for _ in range(2)] == [200, 200]

    def refusals(tenant: str, mode: str) -> float:
        return node.metric("tintype_quota_refusals_total", tenant=tenant, scope="client", mode=mode)

    assert (refusals("metered", "refused"), refusals("dark", "dark")) == (4, 1)
    assert A not in node.log


def test_a_deadline_that_cannot_be_met_is_refused_at_once_and_costs_no_worker_time(node: Node, origin: Origin) -> None:
    assert status(node, ANYBODY, f"/free/unsafe/w:30/plain/{origin.url}/large.jpg") == 200
    target, hasty = f"/free/unsafe/w:77/plain/{origin.url}/1.jpg", "X-Request-Deadline: 1"
    jobs, asked = node.metric("tintype_engine_jobs_total"), origin.count("/1.jpg")
    refused = ask(node, PROXY, target, hasty)
    assert (refused.status, refused.body) == (503, b"Timeout")
    assert refused.headers["x-tintype-error"].startswith("deadline_passed: it would be done")
    assert "retry-after" in refused.headers
    assert (node.metric("tintype_engine_jobs_total"), origin.count("/1.jpg")) == (jobs, asked)
    assert status(node, ANYBODY, target, hasty) == 200
    # What is rendered is a hit, and takes no time. What is fetched is refused for what its plan takes.
    jobs = node.metric("tintype_engine_jobs_total")
    assert status(node, PROXY, target, hasty) == 200
    dear = ask(node, PROXY, f"/free/unsafe/w:2900/f:jxl/plain/{origin.url}/large.jpg", "X-Request-Deadline: 300")
    assert dear.headers["x-tintype-error"].startswith("deadline_passed: it would be done")
    assert node.metric("tintype_engine_jobs_total") == jobs
    assert status(node, PROXY, target.replace("w:77", "w:78"), "X-Request-Deadline: 60000") == 200


def test_what_cannot_be_read_says_nothing_and_is_counted(node: Node, origin: Origin) -> None:
    target = f"/free/unsafe/w:79/plain/{origin.url}/0.jpg"
    wrong = {"X-Forwarded-For": "me", "Forwarded": "me", "Priority": "u=9", "X-Request-Deadline": "0"}

    def unread() -> list[float]:
        return [node.metric("tintype_proxy_headers_unread_total", header=name.lower()) for name in wrong]

    before = unread()
    lines = [f"{name}: {value}" for name, value in wrong.items()]
    assert status(node, ANYBODY, target.replace("w:79", "w:80"), *lines) == 200
    assert unread() == before
    assert status(node, PROXY, target, *lines) == 200
    assert unread() == [count + 1 for count in before]


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def made_in_order(node: Node, origin: Origin, *asked: tuple[int, str]) -> list[int]:
    """Have sources asked for one after another while the one worker is busy; returns them in the order they are made in."""
    for number, _ in asked:
        assert status(node, ANYBODY, f"/free/unsafe/w:30/plain/{origin.url}/{number}.jpg") == 200

    def begin(target: str, header: str) -> threading.Thread:
        busy, waiting = node.metric("tintype_engine_busy"), node.metric("tintype_engine_queue")
        thread = threading.Thread(target=status, args=(node, PROXY, target, header))
        thread.start()
        if busy:
            until(lambda: node.metric("tintype_engine_queue") == waiting + 1)
        else:
            until(lambda: node.metric("tintype_engine_busy") == 1)
        return thread

    until(lambda: not node.metric("tintype_engine_busy"))

    # This takes longer than it takes to ask for the others, and is charged to a lane of its own.
    width = 2900 + asked[0][0]
    threads = [begin(f"/free/unsafe/w:{width}/f:avif/plain/{origin.url}/large.jpg", "Priority: u=7")]
    threads += [begin(f"/free/unsafe/w:301/plain/{origin.url}/{number}.jpg", header) for number, header in asked]
    for thread in threads:
        thread.join(60)
    lines = {number: f"/w:301/plain/{origin.url}/{number}.jpg" for number, _ in asked} | {0: f"/w:{width}/"}
    until(lambda: all(line in node.log for line in lines.values()))  # which is written a little later
    order = sorted(lines, key=lambda number: node.log.index(lines[number]))
    assert order[0] == 0
    return order[1:]


def test_what_a_proxy_calls_a_prefetch_lets_others_pass(node: Node, origin: Origin) -> None:
    prefetch, shown = "Priority: u=6", "Priority: u=5, i"
    assert made_in_order(node, origin, (2, prefetch), (3, prefetch), (4, shown), (5, shown)) == [4, 5, 2, 3]


def test_a_client_that_asks_for_much_waits_for_itself(node: Node, origin: Origin) -> None:
    much, little = f"X-Forwarded-For: {A}", f"X-Forwarded-For: {B}"
    order = made_in_order(node, origin, (6, much), (7, much), (8, much), (9, little))
    assert order.index(9) < 2

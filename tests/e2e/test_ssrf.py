"""Source URLs that want a node to reach what is none of its business: none of them is connected to."""

from __future__ import annotations

import base64
import contextlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page, origin_server

# A node as shipped, but that any URL is trusted, and there is time for names that are looked up in vain.
SHIPPED = """
[server]
admin_token = "admin"
[limits]
fetch_timeout_s = 20
request_timeout_s = 60
[engine]
workers = 1
[tenants.default]
trusted_signatures = ["unsafe"]
[tenants.based]
prefix = "/based"
trusted_signatures = ["unsafe"]
base_url = "http://127.0.0.1:{port}/"
watermark.url = "http://127.0.0.1:{port}/mark.png"
fallback.url = "http://127.0.0.1:{port}/spare.png"
"""
# One tenant, and loopback allowed: an origin of the test may be fetched from.
NEAR = SHIPPED[: SHIPPED.index("[tenants.based]")] + "[sources]\nallow_loopback = true\n"


class Trap:
    """Listens on every loopback address, IPv4 and IPv6, at one port; counts who connects."""

    def __init__(self) -> None:
        self.listening = [socket.create_server(("0.0.0.0", 0))]
        self.port: int = self.listening[0].getsockname()[1]
        with contextlib.suppress(OSError):
            self.listening.append(socket.create_server(("::", self.port), family=socket.AF_INET6))
        self.connected = 0
        for one in self.listening:
            threading.Thread(target=self._accept, args=(one,), daemon=True).start()

    def _accept(self, one: socket.socket) -> None:
        while True:
            try:
                client, _ = one.accept()
            except OSError:
                return
            self.connected += 1
            body = picture()
            with client, contextlib.suppress(OSError):
                client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    def close(self) -> None:
        for one in self.listening:
            one.close()


@pytest.fixture(scope="module")
def trap() -> Iterator[Trap]:
    trap = Trap()
    yield trap
    trap.close()


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory, trap: Trap) -> Iterator[Node]:
    with running(tmp_path_factory.mktemp("shipped"), SHIPPED.replace("{port}", str(trap.port))) as node:
        yield node


HOSTS = [
    # Loopback, spelled in every way that some resolver understands
    *("127.0.0.1", "127.0.0.2", "127.255.255.254", "127.1", "127.0.1", "2130706433", "0x7f000001", "0x7f.1"),
    *("0177.0.0.1", "0177.1", "017700000001", "127.0.0.1.", "0x7F.0x0.0x0.0x1", "127.000.000.001"),
    *("localhost", "LOCALHOST", "localhost.", "localhost.localdomain", "ip6-localhost", "a.localhost"),
    # Unspecified, broadcast, "this" network
    *("0.0.0.0", "0", "0.1.2.3", "255.255.255.255"),
    # IPv6, and IPv4 inside it
    *("[::1]", "[::]", "[0:0:0:0:0:0:0:1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]"),
    *("[64:ff9b::7f00:1]", "[64:ff9b::127.0.0.1]", "[2002:7f00:1::]", "[2001:0:7f00:1::]", "[::ffff:0:127.0.0.1]"),
    *("[fe80::1]", "[fe80::1%25lo]", "[fc00::1]", "[fd00:ec2::254]", "[ff02::1]", "[fe80::5efe:127.0.0.1]"),
    # Private, carrier-grade, link-local, metadata, multicast, reserved
    *("10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.0.1", "100.64.0.1", "169.254.169.254", "169.254.0.1"),
    *("224.0.0.1", "239.255.255.255", "240.0.0.1", "192.0.0.1", "198.18.0.1", "192.0.2.1", "[::ffff:a9fe:a9fe]"),
    # Odd digits and dots (full width, circled, ideographic full stop), as they are and escaped
    *("\uff11\uff12\uff17.0.0.1", "\u2460\u2461\u2466.0.0.1", "127\u30020\u30020\u30021"),
    *("%EF%BC%91%EF%BC%92%EF%BC%97.0.0.1", "127%E3%80%820%E3%80%820%E3%80%821", "%31%32%37.0.0.1"),
]


def asked(url: str) -> str:
    """Return a path that asks for a source, in base64 so that it comes as it is."""
    return "/unsafe/w:10/" + base64.urlsafe_b64encode(url.encode()).decode().rstrip("=")


@pytest.mark.parametrize("host", HOSTS)
def test_an_address_that_is_nobodys_business_is_not_connected_to(shipped: Node, trap: Trap, host: str) -> None:
    before = trap.connected
    url = f"http://{host}:{trap.port}/x.jpg"
    for path in ("/unsafe/w:10/plain/" + quote(url, safe="/:[]%"), asked(url)):
        answer = shipped.ask(path)
        code = answer.headers["x-tintype-error"].split(":")[0]
        # A name that cannot be found is no address; what looks like one is refused as such.
        assert code in ("source_denied", "bad_request", "source_failed")
        assert answer.status == 404
        assert code != "source_failed" or not host.isascii() or host[0] not in "[0123456789" or "%" in host
    assert trap.connected == before


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com@127.0.0.1:{port}/x.jpg",
        "http://127.0.0.1:{port}#@example.com/x.jpg",
        "http://127.0.0.1:{port}?@example.com/x.jpg",
        "http://example.com\\@127.0.0.1:{port}/x.jpg",
        "http://127.0.0.1:{port}\\@example.com/x.jpg",
        "http:127.0.0.1:{port}/x.jpg",
        "http:/127.0.0.1:{port}/x.jpg",
        "http:///127.0.0.1:{port}/x.jpg",
        "http:\\\\127.0.0.1:{port}/x.jpg",
        "HTTP://127.0.0.1:{port}/x.jpg",
        "https://127.0.0.1:{port}/x.jpg",
        "http://127.0.0.1:{port}\r\nX: y/x.jpg",
        "http://127.0.0.1 :{port}/x.jpg",
        "http:// 127.0.0.1:{port}/x.jpg",
        " http://127.0.0.1:{port}/x.jpg",
        "http://127.0.0.1%00.example.com:{port}/x.jpg",
        "http://[::1%250]:{port}/x.jpg",
        "http://[::1:{port}/x.jpg",
        "http://127.0.0.1:{port}:80/x.jpg",
        "http://127.0.0.1:0{port}/x.jpg",
        "//127.0.0.1:{port}/x.jpg",
        "127.0.0.1:{port}/x.jpg",
        "gopher://127.0.0.1:{port}/x.jpg",
        "ws://127.0.0.1:{port}/x.jpg",
        "unix:///var/run/docker.sock",
        "jar:http://127.0.0.1:{port}!/x.jpg",
        "http+unix://%2Fvar%2Frun%2Fdocker.sock/x.jpg",
    ],
)
def test_urls_that_parsers_disagree_about(shipped: Node, trap: Trap, url: str) -> None:
    before = trap.connected
    answer = shipped.ask(asked(url.replace("{port}", str(trap.port))))
    assert 400 <= answer.status < 505
    assert answer.status != 500
    assert trap.connected == before


def test_what_a_tenant_is_configured_with_is_guarded_too(shipped: Node, trap: Trap) -> None:
    before = trap.connected
    for path in ("/based/unsafe/w:10/plain/x.jpg", "/based/unsafe/wm:1/plain/x.jpg"):
        assert 400 <= shipped.ask(path).status < 505
    assert trap.connected == before


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_to_addresses_that_are_not_allowed(hop: Hop, status: int) -> None:
    """Loopback is allowed here, for the origin's sake; private and link-local addresses still are not."""
    for i, target in enumerate(TARGETS):
        hop.origin.pages[f"/{status}/{i}"] = Page(b"", status, {"Location": target})
        answer = hop.node.ask(f"/unsafe/w:10/plain/{hop.origin.url}/{status}/{i}")
        assert 400 <= answer.status < 500, target
        code = answer.headers["x-tintype-error"].split(":")[0]
        assert code in ("source_denied", "bad_request", "source_failed", "source_refused"), (target, code)


TARGETS = [
    *("http://10.0.0.1/x.jpg", "http://169.254.169.254/latest/meta-data/", "http://192.168.1.1/", "//10.0.0.1/x.jpg"),
    *("http://0x0a000001/x.jpg", "http://[::ffff:10.0.0.1]/x.jpg", "http://[fd00::1]/x.jpg", "file:///etc/passwd"),
    *("gopher://10.0.0.1/", "local:///etc/passwd", "http://100.64.0.1/", "http://[64:ff9b::a00:1]/"),
]


class Hop:
    """An origin that a node may fetch from, and that node."""

    def __init__(self, node: Node, origin: Origin) -> None:
        self.node, self.origin = node, origin


@pytest.fixture(scope="module")
def hop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hop]:
    with origin_server() as origin, running(tmp_path_factory.mktemp("hop"), NEAR) as node:
        yield Hop(node, origin)


def test_redirects_end(hop: Hop) -> None:
    hop.origin.pages["/loop"] = Page(b"", 302, {"Location": "/loop"})
    answer = hop.node.ask(f"/unsafe/w:10/plain/{hop.origin.url}/loop")
    assert answer.status == 404
    assert hop.origin.count("/loop") == 11  # itself, and ten redirects


def test_credentials_do_not_follow_a_redirect_to_another_host(tmp_path: Path) -> None:
    toml = NEAR.replace('["unsafe"]\n', '["unsafe"]\ndelivery.forward_headers = ["Authorization"]\n', 1)
    with origin_server() as here, origin_server() as there, running(tmp_path, toml) as node:
        there.pages["/x.jpg"] = Page(picture())
        here.pages["/go"] = Page(b"", 302, {"Location": f"{there.url.replace('127.0.0.1', 'localhost')}/x.jpg"})
        node.ask(f"/unsafe/w:10/plain/{here.url}/go", headers={"Authorization": "Bearer mine"})
        assert here.asked[0][1]["authorization"] == "Bearer mine"
        assert [headers.get("authorization") for _, headers in there.asked] == [None]


def test_a_drawing_fetches_nothing(hop: Hop, trap: Trap) -> None:
    before, target = trap.connected, f"http://127.0.0.1:{trap.port}/x.png"
    for i, inside in enumerate(
        (
            f'<image href="{target}" width="9" height="9"/>',
            f'<use href="{target}#a"/>',
            f"<style>@import url({target});</style>",
            f'<style>rect{{fill:url("{target}")}}</style><rect width="9" height="9"/>',
            f'<rect width="9" height="9" style="fill:url({target})"/>',
            f'<filter id="f"><feImage href="{target}"/></filter><rect width="9" height="9" filter="url(#f)"/>',
            '<image href="file:///etc/passwd" width="9" height="9"/>',
        )
    ):
        drawing = f'<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">{inside}</svg>'
        declared = f'<!DOCTYPE svg [<!ENTITY x SYSTEM "{target}">]>'
        for j, body in enumerate((drawing, declared + drawing)):
            hop.origin.pages[f"/{i}{j}.svg"] = Page(body.encode(), headers={"Content-Type": "image/svg+xml"})
            for ext in ("@png", ""):
                assert hop.node.ask(f"/unsafe/w:20/plain/{hop.origin.url}/{i}{j}.svg{ext}").status in (200, 422)
    assert trap.connected == before


def test_the_proxy_of_the_environment_is_not_asked(tmp_path: Path, trap: Trap) -> None:
    """A proxy would connect on the node's behalf, and past its guard."""
    before = trap.connected
    proxy = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"), f"http://127.0.0.1:{trap.port}")
    with origin_server() as origin:
        origin.pages["/x.jpg"] = Page(picture())
        with running(tmp_path, NEAR, env=proxy) as node:
            assert node.ask(f"/unsafe/w:10/plain/{origin.url}/x.jpg").status == 200
            assert node.ask("/unsafe/w:10/plain/http://10.0.0.1/x.jpg").status == 404
    assert trap.connected == before


def test_the_trap_would_notice(hop: Hop, trap: Trap) -> None:
    before = trap.connected
    assert hop.node.ask(f"/unsafe/w:10/plain/http://127.0.0.1:{trap.port}/x.jpg").status == 200
    assert trap.connected == before + 1

"""The link: bounded while Valkey is dead or does not answer, said once, and back by itself. No password gets out."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.cache.support import Seen
from tests.coordination.conftest import Begin, Node
from tests.coordination.server import PASSWORD, Server
from tintype.coordination.link import Away, Link, Script
from tintype.coordination.settings import CoordinationSettings
from tintype.core.errors import Misconfigured
from tintype.telemetry.clock import SystemClock


async def fail(node: Node, times: int) -> None:
    for _ in range(times):
        with pytest.raises(Away):
            await node.link.call("PING")


async def test_commands_and_scripts(begin: Begin) -> None:
    node = await begin()
    assert await node.link.call("SET", node.link.key("a", "b"), "1")
    script = Script("return redis.call('GET', KEYS[1]) .. ARGV[1]")
    assert [await node.link.run(script, "tintype:a:b", "x") for _ in range(2)] == [b"1x", b"1x"]
    assert node.metric("coordination_up") == 1
    assert node.events() == ["coordination_up"]


async def test_it_is_said_once_that_valkey_died_and_once_that_it_is_back(begin: Begin, server: Server) -> None:
    node = await begin()
    server.kill()
    await fail(node, 20)
    assert node.metric("coordination_up") == 0
    assert node.metric("coordination_errors_total") < 10  # the others were not tried
    server.start()
    await node.until(lambda: node.metric("coordination_up") == 1)
    assert await node.link.call("PING") in (b"PONG", True)
    assert node.events() == ["coordination_up", "coordination_down", "coordination_up"]


async def test_without_traffic_it_is_noticed_too(begin: Begin, server: Server) -> None:
    node = await begin(timeout_s=0.2)
    server.kill()
    await node.until(lambda: node.metric("coordination_up") == 0)


async def test_one_that_does_not_answer_takes_the_time_limit_and_then_none(begin: Begin, server: Server) -> None:
    node = await begin(timeout_s=1.0)
    server.pause()
    begun = time.monotonic()
    await fail(node, 3)
    assert time.monotonic() - begun >= 1.0
    calls = await asyncio.gather(*(node.link.call("PING") for _ in range(500)), return_exceptions=True)
    assert all(isinstance(call, Away) for call in calls)
    assert node.metric("coordination_errors_total") < 10
    server.resume()
    await node.until(lambda: node.metric("coordination_up") == 1)


async def test_connections_are_bounded_and_survive_those_who_left(begin: Begin, server: Server) -> None:
    node = await begin(connections=3)
    calls = [asyncio.create_task(node.link.call("PING")) for _ in range(300)]
    await asyncio.sleep(0.005)
    for call in calls[::3]:
        call.cancel()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert not [a for a in answers if isinstance(a, Away)]
    assert await node.link.call("ECHO", "whole") == b"whole"
    with server.client as client:
        assert len(client.client_list()) <= 4


async def test_a_valkey_that_is_down_at_the_start_comes_later(begin: Begin, server: Server) -> None:
    server.kill()
    node = await begin()
    assert node.events() == ["coordination_down"]
    server.start()
    await node.until(lambda: node.metric("coordination_up") == 1)


async def test_no_password_is_logged(server: Server) -> None:
    seen, wrong = Seen(), server.url.replace(PASSWORD, "not-the-password")
    link = Link(CoordinationSettings(valkey_url=wrong, timeout_s=5.0), SystemClock(), seen)
    await link.start()
    await link.close()
    said = str(seen.events)
    assert "coordination_down" in said
    assert "invalid" in said
    assert "not-the-password" not in said


@pytest.mark.parametrize("url", ["http://:secret@h", "valkey://:secret@h:port", "valkey://:secret@h?no_such=1"])
def test_a_wrong_url_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(Misconfigured, match="valkey_url") as refused:
        Link(CoordinationSettings(valkey_url=url), SystemClock(), Seen())
    assert "secret@" not in str(refused.value)


async def test_tls_is_checked(server: Server, tmp_path: Path) -> None:
    """A proxy that speaks TLS stands in front of Valkey; without its certificate's authority nothing is said to it."""
    certificate = certified(tmp_path)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    async def piped(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        behind = await asyncio.open_connection("127.0.0.1", server.port)
        with contextlib.suppress(OSError):
            await asyncio.gather(pump(reader, behind[1]), pump(behind[0], writer))

    async with await asyncio.start_server(piped, "127.0.0.1", 0, ssl=context) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        for query, answers in ((f"?ssl_ca_certs={certificate}", True), ("", False)):
            seen = Seen()
            url = f"valkeys://:{PASSWORD}@localhost:{port}/0{query}"
            link = Link(CoordinationSettings(valkey_url=url, timeout_s=5.0), SystemClock(), seen)
            await link.start()
            await link.close()
            assert ([name for name, _ in seen.events] == ["coordination_up"]) is answers
            assert answers or "certificate" in str(seen.events)


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while some := await reader.read(65536):
        writer.write(some)
        await writer.drain()
    writer.close()


def certified(folder: Path) -> Path:
    """Make a certificate for localhost, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    plain = serialization.NoEncryption()
    encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    file = folder / "certificate.pem"
    file.write_bytes(encoded + made.public_bytes(serialization.Encoding.PEM))
    return file

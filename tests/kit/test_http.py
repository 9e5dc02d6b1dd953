"""The guarded client against name servers that lie, peers that changed, and URLs as people write them."""

from __future__ import annotations

import asyncio
import gc
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import uvloop
from aiohttp import ClientConnectorDNSError
from aiohttp.abc import AbstractResolver, ResolveResult

from tintype.core.errors import BadRequest, SourceDenied
from tintype.kit.guard import Guard
from tintype.kit.http import ClientSettings, GuardedClient, Resolver, request_url

SETTINGS = ClientSettings(connections=4, keep_alive_s=30.0, verify_tls=True)
PUBLIC = "93.184.216.34"


class Listener:
    """A loopback server that answers every request and counts who came."""

    def __init__(self) -> None:
        self.connections = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await reader.readuntil(b"\r\n\r\n"):
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi")
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    async def start(self) -> asyncio.Server:
        server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        return server


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    listener = Listener()
    server = await listener.start()
    yield listener
    server.close()


class Lying(AbstractResolver):
    """A name server that gives one answer after the other."""

    def __init__(self, *answers: str) -> None:
        self.answers: Iterator[str] = iter(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        address = next(self.answers)
        return [ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)]

    async def close(self) -> None:
        return


async def body(client: GuardedClient, url: str) -> bytes:
    async with client.session().get(request_url(url)) as response:
        return await response.read()


async def test_an_answer_that_changes_between_check_and_connect_is_refused(listener: Listener) -> None:
    guard, names = Guard(), Lying(PUBLIC, "127.0.0.1")
    checked = await names.resolve("rebind.example", listener.port)
    assert guard.refusal(checked[0]["host"]) == ""  # a server that checks first is content now
    client = GuardedClient(guard, SETTINGS, names)
    with pytest.raises(SourceDenied):
        await body(client, f"http://rebind.example:{listener.port}/")
    await client.close()
    assert listener.connections == 0


async def test_the_same_answer_is_fine_where_loopback_is(listener: Listener) -> None:
    client = GuardedClient(Guard(allow_loopback=True), SETTINGS, Lying("127.0.0.1"))
    assert await body(client, f"http://rebind.example:{listener.port}/") == b"hi"
    await client.close()


async def test_a_pooled_connection_is_looked_at_again(listener: Listener) -> None:
    client = GuardedClient(Guard(allow_loopback=True), SETTINGS)
    url = f"http://127.0.0.1:{listener.port}/"
    assert await body(client, url) == await body(client, url) == b"hi"
    assert listener.connections == 1
    connector: Any = client.session().connector
    connector._guard = Guard()  # as if the peer of the open connection were not what it seemed
    with pytest.raises(SourceDenied):
        await body(client, url)
    await client.close()
    assert listener.connections == 1


def test_holds_under_uvloop_too() -> None:
    async def both() -> None:
        listener = Listener()
        server = await listener.start()
        url = f"http://127.0.0.1:{listener.port}/"
        closed, opened = GuardedClient(Guard(), SETTINGS), GuardedClient(Guard(allow_loopback=True), SETTINGS)
        for address in (url, url.replace("127.0.0.1", "localhost"), url.replace("127.0.0.1", "[::ffff:127.0.0.1]")):
            with pytest.raises(SourceDenied):
                await body(closed, address)
        assert listener.connections == 0
        assert await body(opened, url) == b"hi"
        await closed.close()
        await opened.close()
        server.close()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(both())


async def test_of_several_addresses_only_allowed_ones_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    def infos(*_: object, **__: object) -> list[Any]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.1", 80)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 80)),
        ]

    monkeypatch.setattr(socket, "getaddrinfo", infos)
    resolver, open_resolver = Resolver(Guard()), Resolver(Guard(allow_private=True))
    assert [found["host"] for found in await resolver.resolve("both.example", 80)] == [PUBLIC]
    assert len(await open_resolver.resolve("both.example", 80)) == 2
    await resolver.close()
    await open_resolver.close()


class Slow:
    """A name server that answers for slow.example only once it is told to."""

    def __init__(self) -> None:
        self.answers, self.lock = threading.Event(), threading.Lock()
        self.asked, self.at_once, self.most = 0, 0, 0

    def getaddrinfo(self, host: str, *_: object, **__: object) -> list[Any]:
        if host.endswith("slow.example"):
            with self.lock:
                self.asked += 1
                self.at_once += 1
                self.most = max(self.most, self.at_once)
            self.answers.wait(60)
            with self.lock:
                self.at_once -= 1
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (PUBLIC, 80))]


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow()
    monkeypatch.setattr(socket, "getaddrinfo", slow.getaddrinfo)
    yield slow
    slow.answers.set()


async def test_a_slow_domain_keeps_no_other_name_waiting(slow: Slow) -> None:
    resolver = Resolver(Guard())
    given_up = [asyncio.create_task(resolver.resolve(f"n{n}.slow.example")) for n in range(200)]
    await asyncio.sleep(0.1)
    for task in given_up:
        task.cancel()
    await asyncio.gather(*given_up, return_exceptions=True)
    late = asyncio.create_task(resolver.resolve("late.slow.example"))  # nobody waits for the others, but they go on
    assert (await asyncio.wait_for(resolver.resolve("quick.example"), 30))[0]["host"] == PUBLIC
    assert not late.done()
    slow.answers.set()
    assert (await late)[0]["host"] == PUBLIC
    assert slow.most <= 4
    del given_up, task, late
    for _ in range(1000):  # a turn ends with its thread, a moment after its answer
        gc.collect()  # the tasks that were given up hold on to where they waited
        if not resolver._turns:
            break
        await asyncio.sleep(0.05)
    assert len(resolver._turns) == 0
    await resolver.close()


async def test_all_names_of_a_domain_have_their_turn(slow: Slow) -> None:
    resolver = Resolver(Guard())
    tasks = [asyncio.create_task(resolver.resolve(f"n{n}.slow.example")) for n in range(50)]
    async with asyncio.timeout(60):
        while slow.most < 4:  # noqa: ASYNC110 - they ask in threads
            await asyncio.sleep(0.01)
    slow.answers.set()
    assert [found[0]["host"] for found in await asyncio.gather(*tasks)] == [PUBLIC] * 50
    assert (slow.asked, slow.most) == (50, 4)
    await resolver.close()


async def test_nobody_waits_for_a_turn_for_ever(slow: Slow, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tintype.kit.http._TURN_S", 0.05)
    resolver = Resolver(Guard())
    first = [asyncio.create_task(resolver.resolve(f"n{n}.slow.example")) for n in range(4)]
    await asyncio.sleep(0)
    with pytest.raises(TimeoutError):
        await resolver.resolve("more.slow.example")
    slow.answers.set()
    await asyncio.gather(*first)
    await resolver.close()


async def test_a_name_that_does_not_exist_is_no_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", nothing)
    client = GuardedClient(Guard(), SETTINGS)
    with pytest.raises(ClientConnectorDNSError):
        await body(client, "http://nothing.invalid/")
    await client.close()


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ("http://h", "http://h/"),
        ("http://h?x=1", "http://h/?x=1"),
        ("HTTP://H/Path", "http://h/Path"),
        ("http://h/a b.jpg?x=1", "http://h/a%20b.jpg?x=1"),
        ("http://h/a%20b%2Fc%41?x=%2B+&y=%zz", "http://h/a%20b%2Fc%41?x=%2B+&y=%25zz"),
        ("http://h/ä/ü?q=é", "http://h/%C3%A4/%C3%BC?q=%C3%A9"),
        ("http://h/\udcff", "http://h/%FF"),
        ('http://h/"<>\\^`{|}', "http://h/%22%3C%3E%5C%5E%60%7B%7C%7D"),
        ("http://h/a/../b/./c", "http://h/a/../b/./c"),
        ("http://h/x#fragment", "http://h/x"),
        ("http://h:8080/x", "http://h:8080/x"),
        ("http://u:p%40w@h/x", "http://u:p%40w@h/x"),
        ("https://bücher.example/x", "https://xn--bcher-kva.example/x"),
        ("http://[::1]:80/x", "http://[::1]/x"),
    ],
)
def test_a_url_is_asked_for_as_it_was_given(given: str, asked: str) -> None:
    assert str(request_url(given)) == asked


@pytest.mark.parametrize(
    "text",
    ["", "http://", "http:///x", "http:/h/x", "//h/x", "ftp://h/x", "file:///etc/passwd", "h/x", "http://h:99999/", "http://[::1",
     "http://good\\@evil/", "http://a b/", "http://h\r\nX: y/", "http://h:x/", "http://:80/", "gopher://h/"],
)  # fmt: skip
def test_what_cannot_be_a_source_url_is_said_so(text: str) -> None:
    with pytest.raises(BadRequest):
        request_url(text)

"""The address guard over some three hundred spellings of addresses, each sent through the real client."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import InvalidURL
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.errors import SourceDenied
from tintype.kit.guard import Guard
from tintype.kit.http import ClientSettings, GuardedClient, Resolver, request_url

SETTINGS = ClientSettings(connections=4, keep_alive_s=1.0, verify_tls=True)

TARGETS = (
    "127.0.0.1", "127.8.9.10", "0.0.0.0", "10.0.0.1", "10.255.255.254", "172.16.0.1", "172.31.255.254", "192.168.1.1",
    "100.64.0.1", "169.254.1.1", "169.254.169.254", "100.100.100.200", "168.63.129.16", "198.18.0.1", "224.0.0.1",
)  # fmt: skip


def hexed(four: str) -> str:
    number = int(ipaddress.IPv4Address(four))
    return f"{number >> 16:x}:{number & 0xFFFF:x}"


def spellings(four: str) -> list[str]:
    """Every way we know to write an IPv4 address as the host of a URL."""
    number = int(ipaddress.IPv4Address(four))
    a, b, c, d = four.split(".")
    inverted = hexed(str(ipaddress.IPv4Address(number ^ 0xFFFF_FFFF)))
    return [
        four,
        four + ".",
        str(number),
        hex(number),
        f"0{number:o}",
        ".".join(hex(int(part)) for part in (a, b, c, d)),
        ".".join(f"0{int(part):o}" for part in (a, b, c, d)),
        f"{hex(int(a))}.{b}.0{int(c):o}.{d}",
        f"{a}.{int(b) << 16 | int(c) << 8 | int(d)}",
        f"{a}.{b}.{int(c) << 8 | int(d)}",
        f"[::ffff:{four}]",
        f"[::ffff:{hexed(four)}]",
        f"[0:0:0:0:0:ffff:{four}]",
        f"[::{hexed(four)}]",
        f"[::ffff:0:{hexed(four)}]",
        f"[64:ff9b::{hexed(four)}]",
        f"[64:ff9b:1::{hexed(four)}]",
        f"[2002:{hexed(four)}::1]",
        f"[2001:0:5db8:d822::{inverted}]",
        f"[2606:4700::5efe:{hexed(four)}]",
        f"[2606:4700::200:5efe:{hexed(four)}]",
        "".join(chr(ord(char) + 0xFEE0) if char.isdigit() else "\u3002" for char in four),
    ]


OTHERS = [
    "localhost", "LOCALHOST", "127.1", "127.0.1", "0", "0x0", "00", "0.0", "[::]", "[::1]",
    "[0:0:0:0:0:0:0:1]", "[0000::0001]", "[::1%25lo]", "[fe80::1]", "[fe80::1%25eth0]", "[fe80::a9fe:a9fe]",
    "[febf::1]", "[fec0::1]", "[feff::1]", "[fc00::1]", "[fd00::1]", "[fdff:ffff::1]", "[fd00:ec2::254]",
    "[fd00:ec2::23]", "[fd20:ce::254]", "[fd00:42::42]", "[ff02::1]", "[ff0e::1]", "[2001:db8::1]", "[3fff::1]",
    "[2001::1]", "[2001:2::1]", "[2001:10::1]", "[2001:20::1]", "[2002::1]", "[100::1]", "[5f00::1]", "[4000::1]",
    "[64:ff9b:1::1]", "[64:ff9b:1:ffff::a00:1]", "0.1.2.3", "192.0.0.1", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "198.19.255.255", "198.51.100.1", "203.0.113.1", "239.255.255.250", "240.0.0.1", "255.255.255.255",
    "100.127.255.255", "169.254.170.2", "169.254.170.23", "169.254.42.42", "169.254.0.0", "172.20.1.1", "192.168.255.255",
]  # fmt: skip

REFUSED = [spelling for target in TARGETS for spelling in spellings(target)] + OTHERS

ALLOWED = (
    "1.1.1.1", "8.8.8.8", "93.184.216.34", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0",
    "126.255.255.255", "128.0.0.0", "169.253.255.255", "169.255.0.0", "172.15.255.255", "172.32.0.0", "191.255.255.255",
    "192.167.255.255", "192.169.0.0", "192.0.1.0", "192.0.3.0", "198.17.255.255", "198.20.0.0", "223.255.255.255",
    "2606:4700:4700::1111", "2001:4860:4860::8888", "2a00:1450:4001::1", "::ffff:8.8.8.8", "64:ff9b::808:808",
)  # fmt: skip


def test_there_are_enough_vectors() -> None:
    assert len(set(REFUSED)) >= 300


@pytest.fixture
async def client() -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Guard(), SETTINGS)
    yield client
    await client.close()


@pytest.fixture
async def opened() -> AsyncIterator[GuardedClient]:
    client = GuardedClient(Guard(allow_private=True), SETTINGS)
    yield client
    await client.close()


async def refused(client: GuardedClient, host: str, scheme: str = "http") -> bool:
    try:
        async with client.session().get(request_url(f"{scheme}://{host}:9/latest")):
            return False
    except (SourceDenied, InvalidURL):  # aiohttp itself takes no decimal, octal, hex or short forms
        return True


async def test_every_spelling_is_refused_by_the_client(client: GuardedClient) -> None:
    let_through = [host for host in REFUSED if not await refused(client, host)]
    assert let_through == []


async def test_odd_literals_are_refused_by_the_resolver_as_well() -> None:
    resolver = Resolver(Guard())
    for host in (
        "2130706433",
        "0x7f000001",
        "017700000001",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "0",
        "localhost",
        "2852039166",
    ):
        with pytest.raises(SourceDenied):
            await resolver.resolve(host, 80)
    await resolver.close()


async def test_https_is_no_way_around(client: GuardedClient) -> None:
    hosts = ["127.0.0.1", "2130706433", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"]
    assert [host for host in hosts if not await refused(client, host, "https")] == []


async def test_private_networks_do_not_open_metadata_or_loopback(opened: GuardedClient) -> None:
    closed = ["169.254.169.254", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254", "fd00:42::42", "127.0.0.1", "::1"]
    hosts = [f"[{host}]" if ":" in host else host for host in closed]
    assert [host for host in hosts if not await refused(opened, host)] == []
    assert not Guard(allow_private=True).refusal("10.1.2.3")


@pytest.mark.parametrize("address", ALLOWED)
def test_public_addresses_are_allowed(address: str) -> None:
    assert Guard().refusal(address) == ""


@pytest.mark.parametrize(
    ("address", "flag"),
    [
        ("127.0.0.1", "allow_loopback"),
        ("::1", "allow_loopback"),
        ("0.0.0.0", "allow_loopback"),
        ("::ffff:127.0.0.1", "allow_loopback"),
        ("169.254.7.7", "allow_link_local"),
        ("fe80::1%eth0", "allow_link_local"),
        ("169.254.169.254", "allow_link_local"),
        ("100.100.100.200", "allow_link_local"),
        ("fd00:ec2::254", "allow_link_local"),
        ("10.0.0.1", "allow_private"),
        ("100.64.0.1", "allow_private"),
        ("fc00::1", "allow_private"),
        ("64:ff9b::10.0.0.1", "allow_private"),
    ],
)
def test_each_class_is_opened_by_its_own_setting(address: str, flag: str) -> None:
    flags = {"allow_loopback": False, "allow_link_local": False, "allow_private": False}
    assert flag in Guard().refusal(address)
    assert Guard(**{name: name != flag for name in flags}).refusal(address) != ""
    assert Guard(**{name: name == flag for name in flags}).refusal(address) == ""


@pytest.mark.parametrize(
    "address", ["192.0.2.1", "224.0.0.1", "255.255.255.255", "2002:7f00:1::1", "::7f00:1", "100::1"]
)
def test_nothing_opens_reserved_ranges(address: str) -> None:
    assert "reserved" in Guard(allow_loopback=True, allow_link_local=True, allow_private=True).refusal(address)


@pytest.mark.parametrize("text", ["", "localhost", "1.2.3", "0x7f.1", "1.2.3.4.5", "::g", "fe80::1%", "/var/run/x"])
def test_what_is_no_address_is_refused(text: str) -> None:
    assert Guard().refusal(text) != ""


@given(st.ip_addresses(v=4))
def test_agrees_with_the_standard_library_on_ipv4(address: ipaddress.IPv4Address) -> None:
    if not address.is_global or address.is_multicast:
        assert Guard().refusal(str(address)) != ""


@given(st.ip_addresses(v=6))
def test_agrees_with_the_standard_library_on_ipv6(address: ipaddress.IPv6Address) -> None:
    if not address.is_global or address.is_multicast:
        assert Guard().refusal(str(address)) != ""


@given(st.ip_addresses(v=4))
def test_a_mapped_address_is_judged_as_the_one_it_carries(address: ipaddress.IPv4Address) -> None:
    plain = Guard().refusal(str(address))
    assert Guard().refusal(f"::ffff:{address}") == plain
    assert Guard().refusal(f"64:ff9b::{address}") == plain
    assert Guard().refusal(f"2002:{hexed(str(address))}::1") != ""


def test_the_socket_looks_at_what_the_kernel_is_given() -> None:
    made = Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("93.184.216.34", 80)))
    with made, pytest.raises(SourceDenied):
        made.connect(("127.0.0.1", 9))
    made = Guard().socket((socket.AF_INET6, socket.SOCK_STREAM, 0, "", ("2606:4700::1", 80, 0, 0)))
    with made, pytest.raises(SourceDenied):
        made.connect_ex(("::ffff:127.0.0.1", 9, 0, 0))


def test_only_internet_sockets_are_made() -> None:
    with pytest.raises(SourceDenied):
        Guard(allow_loopback=True).socket((socket.AF_UNIX, socket.SOCK_STREAM, 0, "", "/run/docker.sock"))
    with pytest.raises(SourceDenied):
        Guard().socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("127.0.0.1", 80)))

"""The address guard: which network addresses may be connected to. Decided on the address itself, when it is connected to.

Names, odd literals and redirects need no rules of their own: whatever they come to is an address in the end, and the
sockets made here refuse to connect to one that is not allowed.

Sources of the ranges: the IANA special-purpose address registries (RFC 6890), and the clouds' own documentation for
their metadata services, some of which live on addresses that look ordinary.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, TypeAlias

from tintype.core.errors import SourceDenied

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

LOOPBACK, LINK_LOCAL, PRIVATE, METADATA, RESERVED = "loopback", "link-local", "private", "metadata", "reserved"

# The first match counts, so metadata services come before the ranges they live in.
_RANGES: tuple[tuple[str, str], ...] = (
    ("169.254.169.254/32", METADATA),  # AWS, GCP, Azure, DigitalOcean, OpenStack, Oracle, Hetzner ...
    ("169.254.170.2/32", METADATA),  # AWS ECS task credentials
    ("169.254.170.23/32", METADATA),  # AWS EKS pod identity
    ("169.254.42.42/32", METADATA),  # Scaleway
    ("100.100.100.200/32", METADATA),  # Alibaba Cloud
    ("168.63.129.16/32", METADATA),  # Azure's host agent, on a public address
    ("192.0.0.192/32", METADATA),  # Oracle Cloud, classic
    ("fd00:ec2::/32", METADATA),  # AWS: ::254 metadata, ::23 pod identity, ::253 DNS
    ("fd20:ce::254/128", METADATA),  # GCP
    ("fd00:42::42/128", METADATA),  # Scaleway
    ("fe80::a9fe:a9fe/128", METADATA),  # OpenStack
    ("127.0.0.0/8", LOOPBACK),
    ("0.0.0.0/32", LOOPBACK),  # unspecified: Linux connects it to loopback
    ("::1/128", LOOPBACK),
    ("::/128", LOOPBACK),
    ("169.254.0.0/16", LINK_LOCAL),
    ("fe80::/10", LINK_LOCAL),
    ("10.0.0.0/8", PRIVATE),
    ("172.16.0.0/12", PRIVATE),
    ("192.168.0.0/16", PRIVATE),
    ("100.64.0.0/10", PRIVATE),  # carrier-grade NAT
    ("fc00::/7", PRIVATE),  # unique local
    ("fec0::/10", PRIVATE),  # site-local, deprecated
    ("0.0.0.0/8", RESERVED),
    ("192.0.0.0/24", RESERVED),  # IETF protocol assignments
    ("192.0.2.0/24", RESERVED),  # documentation
    ("192.88.99.0/24", RESERVED),  # 6to4 relays, deprecated
    ("198.18.0.0/15", RESERVED),  # benchmarking
    ("198.51.100.0/24", RESERVED),  # documentation
    ("203.0.113.0/24", RESERVED),  # documentation
    ("224.0.0.0/4", RESERVED),  # multicast
    ("240.0.0.0/4", RESERVED),  # future use, and broadcast
    ("2001::/23", RESERVED),  # IETF protocol assignments: Teredo, ORCHID, benchmarking
    ("2001:db8::/32", RESERVED),  # documentation
    ("2002::/16", RESERVED),  # 6to4, deprecated: carries any IPv4 address
    ("3fff::/20", RESERVED),  # documentation
)
_TABLE: tuple[tuple[Network, str], ...] = tuple((ip_network(text), kind) for text, kind in _RANGES)
_GLOBAL_UNICAST = IPv6Network("2000::/3")  # all that IANA has given out; the rest of IPv6 is reserved
_NAT64 = IPv6Network("64:ff9b::/96")  # the last 32 bits are the IPv4 address really reached (RFC 6052)
_ISATAP = (0x00005EFE, 0x02005EFE)  # an interface id that carries an IPv4 address (RFC 5214)


@dataclass(frozen=True, slots=True)
class Guard:
    """What is allowed besides public addresses. Metadata services need `allow_link_local`, wherever they live."""

    allow_loopback: bool = False
    allow_link_local: bool = False
    allow_private: bool = False

    def refusal(self, address: str) -> str:
        """Return why an address may not be connected to, "" if it may. What is no address is refused."""
        kind = _kind_named(address)
        if kind is None:
            return "is no network address"
        opens = {
            "": True,
            LOOPBACK: self.allow_loopback,
            LINK_LOCAL: self.allow_link_local,
            METADATA: self.allow_link_local,
            PRIVATE: self.allow_private,
            RESERVED: False,
        }
        return "" if opens[kind] else _REASONS[kind]

    def check(self, address: object) -> None:
        """Check a socket address (host first).

        Raises:
            SourceDenied: it may not be connected to.
        """
        host = address[0] if isinstance(address, tuple) and address else ""
        reason = self.refusal(host if isinstance(host, str) else "")
        if reason:
            raise SourceDenied(f"The source's address {reason}")

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        """Make the socket for one entry of getaddrinfo; it refuses to connect elsewhere than allowed. For aiohttp.

        Raises:
            SourceDenied: the entry's address may not be connected to.
        """
        family, kind, protocol, _, address = info
        if family not in (socket.AF_INET, socket.AF_INET6):
            raise SourceDenied("The source's address is no internet address")
        self.check(address)
        return _GuardedSocket(self, family, kind, protocol)


_REASONS = {
    LOOPBACK: "is a loopback address; sources.allow_loopback permits those",
    LINK_LOCAL: "is a link-local address; sources.allow_link_local permits those",
    METADATA: "is that of a metadata service; sources.allow_link_local permits those",
    PRIVATE: "is a private address; sources.allow_private permits those",
    RESERVED: "is in a reserved range, which nothing permits",
}


class _GuardedSocket(socket.socket):
    """A socket that looks once more at the very address the kernel is given."""

    def __init__(self, guard: Guard, family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._guard = guard

    def connect(self, address: Any, /) -> None:
        self._guard.check(address)
        super().connect(address)

    def connect_ex(self, address: Any, /) -> int:
        self._guard.check(address)
        return super().connect_ex(address)


@lru_cache(1024)  # each connection looks at its peer three times, and most have few
def _kind_named(address: str) -> str | None:
    """Return the kind of an address, None: it is none."""
    try:
        return kind_of(ip_address(address.partition("%")[0]))
    except ValueError:
        return None


def kind_of(address: Address) -> str:
    """Return the kind of an address, "" for a public one."""
    if isinstance(address, IPv6Address):
        address = _carried(address)
    for network, kind in _TABLE:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address) and (address not in _GLOBAL_UNICAST or _isatap(address)):
        return RESERVED
    return ""


def _carried(address: IPv6Address) -> Address:
    """Return the IPv4 address that an IPv6 address really leads to, where such forms are in use; else itself.

    Those no longer in use (compatible, translated, 6to4, Teredo, ISATAP, local-use NAT64) are reserved, whatever
    they carry.
    """
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address


def _isatap(address: IPv6Address) -> bool:
    return (int(address) >> 32) & 0xFFFF_FFFF in _ISATAP

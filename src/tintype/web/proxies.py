"""Who asks, how urgently, and until when: what headers say of a request, and whom of those who send them to believe.

Anybody may say that a request is not urgent. Whose it is and how long he waits, only trusted proxies may say: what they
do not send, they pass on from whoever asked them, so nothing here gives more to who asks than saying nothing does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from math import inf
from typing import TypeAlias

from tintype.admission.asker import Lane

Address: TypeAlias = IPv4Address | IPv6Address
Headers: TypeAlias = Mapping[bytes, bytes]

# Hops before the nearest proxy that are looked at; who is further away is called by the last of them.
_MOST_HOPS = 16
_ADDRESS_BYTES = 64
# What one household or server has of IPv6 (RFC 6177): it may take any address in it for each request.
_CLIENT_PREFIX = 64
# An address with or without a port, IPv6 in brackets if with one (RFC 7239, section 6).
_WITH_PORT = re.compile(rb"\[(?P<six>[0-9A-Fa-f:.]+)\](?::\d{1,5})?|(?P<four>[0-9.]+):\d{1,5}")
_BARE = re.compile(rb"[0-9A-Fa-f:.]+")
# One hop of Forwarded: pairs of a token and a token or quoted string. No comma or backslash is in what proxies write there,
# so that the last hop can be told from what a client wrote before it.
_PAIR = rb"[A-Za-z-]+=(?:[^\s\",;=\\]+|\"[^\",\\]*\")"
_HOP = re.compile(rb"\s*%b(?:\s*;\s*%b)*\s*" % (_PAIR, _PAIR))
_FOR = re.compile(rb"(?:^|;)\s*for=\"?([^\s\";]+)", re.IGNORECASE)
# A dictionary (RFC 8941), as far as RFC 9218 needs it: no commas within its values.
_MEMBER = re.compile(rb"\s*(?P<key>[a-z*][a-z0-9_.*-]*)(?:=(?P<value>[^,;]*))?(?:;[^,]*)?")
_PRIORITY_BYTES = 256
# RFC 9218 has 3 for what nothing is said of, 5 in its example of an image, as Firefox and Safari send it with every one,
# and 7 for what nobody waits for.
_PREFETCH_FROM = 6
_MILLISECONDS = re.compile(rb"[1-9]\d{0,8}")
# Headers that are read; what many say alike is read once, and what so many said last is known.
_NAMES = (b"forwarded", b"x-forwarded-for", b"priority", b"x-request-deadline", b"sec-purpose", b"purpose")
_KNOWN = 512


@dataclass(frozen=True, slots=True)
class Said:
    """What is to be believed of a request.

    Attributes:
        client: its address, IPv6 as its network; "" if no trusted proxy names one.
        left_s: how long its client waits; inf if no trusted proxy says.
        unread: headers of trusted proxies that could not be read, and so say nothing.
    """

    lane: Lane
    client: str = ""
    left_s: float = inf
    unread: tuple[str, ...] = ()

    def deadline(self, began: float, most_s: float) -> tuple[float, bool]:
        """Return until when a request is of use, `most_s` at the longest, and whether that is its client's own word."""
        return began + min(most_s, self.left_s), self.left_s < most_s


_NOTHING_SAID = {lane: Said(lane) for lane in Lane}


class Proxies:
    """Reads requests. `trusted`: address ranges of proxies in front.

    Raises:
        ValueError: one is no range.
    """

    def __init__(self, trusted: Sequence[str]) -> None:
        self._trusted = tuple(ip_network(text) for text in trusted)
        self._sender = lru_cache(1024)(self._trusted_sender)
        self._of_sender = lru_cache(_KNOWN)(self._what_a_sender_says)

    def said(self, peer: str, headers: Headers) -> Said:
        """Read the headers of a request that came from a peer."""
        sender = self._sender(peer) if self._trusted else None
        if sender is None:
            return _NOTHING_SAID[lane_of(headers)]
        return self._of_sender(sender, *map(headers.get, _NAMES))

    def _what_a_sender_says(self, sender: Address, *values: bytes | None) -> Said:
        headers = {name: value for name, value in zip(_NAMES, values, strict=True) if value is not None}
        lane = lane_of(headers)
        client, unread = self._client(sender, headers)
        urgency, left_s = _urgency(headers.get(b"priority", b"")), _left_s(headers.get(b"x-request-deadline"))
        if urgency is None:
            unread.append("priority")
        elif urgency >= _PREFETCH_FROM:
            lane = max(lane, Lane.PREFETCH)
        if left_s is None:
            unread.append("x-request-deadline")
        return Said(lane, client, inf if left_s is None else left_s, tuple(unread))

    def _trusted_sender(self, peer: str) -> Address | None:
        sender = _address(peer.encode())
        return sender if sender is not None and self._trusts(sender) else None

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)

    def _client(self, sender: Address, headers: Headers) -> tuple[str, list[str]]:
        """Return the client's name, and the headers that it was not taken from.

        Two that differ name nobody: one of them is from the client, and which of them a proxy writes is not known.
        """
        chains = {"forwarded": _forwarded, "x-forwarded-for": _forwarded_for}
        given = {name: headers[name.encode()] for name in chains if name.encode() in headers}
        found = {name: self._first_untrusted(sender, chains[name](value)) for name, value in given.items()}
        unread = [name for name, (_, whole) in found.items() if not whole]
        clients = {address for address, _ in found.values()}
        if len(clients) > 1:
            return _name(sender), list(found)
        return "".join(map(_name, clients)), unread

    def _first_untrusted(self, sender: Address, hops: Iterator[Address | None]) -> tuple[Address, bool]:
        """Walk from the nearest proxy to the client; returns who is last, and whether all of the way could be read."""
        last = sender
        for address in hops:
            if address is None:
                return last, False
            last = address
            if not self._trusts(address):
                break
        return last, True


def lane_of(headers: Headers) -> Lane:
    """Return how urgent a request is: browsers say what they fetch in advance (Sec-Purpose of Fetch; Purpose before it)."""
    purpose = headers.get(b"sec-purpose") or headers.get(b"purpose") or b""
    return Lane.PREFETCH if purpose.lower().startswith(b"prefetch") else Lane.INTERACTIVE


def _forwarded_for(value: bytes) -> Iterator[Address | None]:
    """Yield the addresses of X-Forwarded-For, the last first; None is not one, or ends what is looked at."""
    for hop in reversed(value.rsplit(b",", _MOST_HOPS)):
        yield _address(hop.strip())


def _forwarded(value: bytes) -> Iterator[Address | None]:
    """Yield the addresses of Forwarded (RFC 7239) likewise."""
    for hop in reversed(value.rsplit(b",", _MOST_HOPS)):
        named = _FOR.findall(hop) if _HOP.fullmatch(hop) else []
        yield _address(named[0]) if len(named) == 1 else None


@lru_cache(1024)  # nearly always one of a few proxies, or a client seen a moment ago
def _address(text: bytes) -> Address | None:
    if len(text) > _ADDRESS_BYTES:
        return None
    found = _WITH_PORT.fullmatch(text)
    bare = (found["six"] or found["four"]) if found else text
    try:
        address = ip_address(bare.decode()) if _BARE.fullmatch(bare) else None
    except ValueError:
        return None
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _name(address: Address) -> str:
    if isinstance(address, IPv6Address):
        return str(IPv6Network((address, _CLIENT_PREFIX), strict=False))
    return str(address)


def _urgency(priority: bytes) -> int | None:
    """Return `u` of a Priority header, 3 if it has none; None: the header is not one."""
    urgency = b"3"
    for member in priority.split(b",") if priority.strip() and len(priority) <= _PRIORITY_BYTES else ():
        found = _MEMBER.fullmatch(member.rstrip())
        if not found:
            return None
        urgency = found["value"] if found["key"] == b"u" else urgency
    wrong = len(priority) > _PRIORITY_BYTES or not re.fullmatch(rb"[0-7]", urgency or b"")
    return None if wrong else int(urgency)


def _left_s(deadline: bytes | None) -> float | None:
    """Return the seconds that an X-Request-Deadline leaves: it is milliseconds; None: it is not a positive integer of them."""
    if deadline is None:
        return inf
    return int(deadline) / 1000 if _MILLISECONDS.fullmatch(deadline.strip()) else None

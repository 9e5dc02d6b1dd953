"""Who asks: whose word counts, who is the client, how urgent it is, and how long it waits."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.admission.asker import Lane
from tintype.web.proxies import Proxies, Said

EDGE, CDN, READER = "10.0.0.1", "192.0.2.7", "203.0.113.9"
PROXIES = Proxies(["10.0.0.0/8", CDN, "2001:db8:ed6e::/48"])


def said(peer: str = EDGE, **headers: str) -> Said:
    return PROXIES.said(peer, {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()})


EVERYTHING = {
    "x_forwarded_for": READER,
    "priority": "u=7",
    "x_request_deadline": "50",
}


def test_a_trusted_proxy_says_who_asks_how_urgently_and_until_when() -> None:
    assert said(**EVERYTHING) == Said(Lane.PREFETCH, READER, 0.05)
    assert said("::ffff:10.0.0.1", **EVERYTHING) == Said(Lane.PREFETCH, READER, 0.05)
    assert said("2001:db8:ed6e::1", **EVERYTHING) == Said(Lane.PREFETCH, READER, 0.05)


@pytest.mark.parametrize("peer", ["11.0.0.1", "192.0.2.8", "2001:db8::1", "", "unix:", "localhost"])
def test_from_anybody_else_these_headers_change_nothing(peer: str) -> None:
    assert said(peer, forwarded=f"for={READER}", **EVERYTHING) == Said(Lane.INTERACTIVE)
    assert said(peer, forwarded="nonsense", priority="nonsense", x_request_deadline="soon").unread == ()
    assert said(peer, sec_purpose="prefetch;prerender").lane is Lane.PREFETCH


def test_without_proxies_nobody_is_believed() -> None:
    assert Proxies([]).said("127.0.0.1", {b"x-forwarded-for": b"1.2.3.4", b"priority": b"u=7"}) == Said(
        Lane.INTERACTIVE
    )


@pytest.mark.parametrize(
    ("header", "client"),
    [
        (READER, READER),
        (f"{READER}:4711", READER),
        (f"::ffff:{READER}", READER),
        (f"1.1.1.1, {READER}", READER),  # what the client wrote itself is on the left
        (f"1.1.1.1, {READER}, {CDN}", READER),
        (f"{READER},{CDN} , 10.9.9.9", READER),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("[2001:db8:1:2:9:9:9:9]:443", "2001:db8:1:2::/64"),
        ("10.3.0.1, 10.2.0.1", "10.3.0.1"),  # all are trusted: the first of them asks
    ],
)
def test_the_client_is_the_first_address_from_the_right_that_is_no_trusted_proxy(header: str, client: str) -> None:
    assert said(x_forwarded_for=header) == Said(Lane.INTERACTIVE, client)


@pytest.mark.parametrize(
    ("header", "client"),
    [
        ("for=203.0.113.9", READER),
        ('For="203.0.113.9:4711";proto=https;by=10.0.0.1', READER),
        ("proto=https; for=203.0.113.9 ; host=img.example.com", READER),
        ('for="[2001:db8:1:2:3::4]:47";by="[2001:db8::1]"', "2001:db8:1:2::/64"),
        ('for=9.9.9.9, for=203.0.113.9, for="192.0.2.7"', READER),
        ('for="x, for=203.0.113.9', READER),  # what the client left open does not reach over what a proxy added
        ('for="a\\", for=203.0.113.9', READER),
    ],
)
def test_forwarded_says_the_same_in_its_own_grammar(header: str, client: str) -> None:
    assert said(forwarded=header) == Said(Lane.INTERACTIVE, client)


@pytest.mark.parametrize(
    "header",
    [
        *(
            "",
            "unknown",
            "1.2.3",
            "1.2.3.4.5",
            "256.1.1.1",
            "fe80::1%eth0",
            "[::1",
            "::1]:80",
            "1.2.3.4:123456",
            "1" * 100,
        ),
        *(f"{READER}, ", "a b", "[1.2.3.4]:1:2", "\u0661.1.1.1", "0x7f.1.1.1"),
    ],
)
def test_what_is_no_address_is_the_proxy_that_wrote_it(header: str) -> None:
    assert said(x_forwarded_for=header) == Said(Lane.INTERACTIVE, EDGE, unread=("x-forwarded-for",))
    assert said(x_forwarded_for=f"{header}, {CDN}").client == CDN


@pytest.mark.parametrize(
    "header",
    [
        *("", "203.0.113.9", "for=unknown", "for=_hidden", "for=", "for", "by=10.0.0.1", "for=1.1.1.1;for=2.2.2.2"),
        *('for="203.0.113.9', "for=[::1]:80 x", "for=203.0.113.9;", 'for="1.1.1.1;for=2.2.2.2"', "for = 1.1.1.1"),
    ],
)
def test_what_is_no_hop_is_the_proxy_that_wrote_it(header: str) -> None:
    assert said(forwarded=header) == Said(Lane.INTERACTIVE, EDGE, unread=("forwarded",))


def test_two_headers_that_differ_name_nobody_but_the_proxy() -> None:
    both = said(forwarded="for=1.1.1.1", x_forwarded_for=READER)
    assert both == Said(Lane.INTERACTIVE, EDGE, unread=("forwarded", "x-forwarded-for"))
    assert said(forwarded=f"for={READER}", x_forwarded_for=READER) == Said(Lane.INTERACTIVE, READER)


def test_a_way_too_long_is_not_walked() -> None:
    hops = [f"10.0.0.{number}" for number in range(1, 18)]
    assert said(x_forwarded_for=", ".join([READER, *hops[1:]])).client == READER
    far = said(x_forwarded_for=", ".join([READER, *hops]))
    assert (far.client, far.unread) == ("10.0.0.2", ("x-forwarded-for",))


@pytest.mark.parametrize(
    ("header", "lane"),
    [
        ("u=0", Lane.INTERACTIVE),
        ("i", Lane.INTERACTIVE),
        ("u=5, i", Lane.INTERACTIVE),  # any image of a Firefox
        ("u=6", Lane.PREFETCH),
        ("i, u=7", Lane.PREFETCH),
        ("u=7,u=1", Lane.INTERACTIVE),  # of one key the last counts (RFC 8941)
        ("u=6;x=1, i=?0, other=1.5", Lane.PREFETCH),
        ("", Lane.INTERACTIVE),
    ],
)
def test_urgency(header: str, lane: Lane) -> None:
    assert said(priority=header) == Said(lane)


@pytest.mark.parametrize("header", ["u=8", "u=-1", "u=77", "u", "u=6.0", "U=6", "=6", "u=6,", "u=?1", "u=7," * 100])
def test_a_priority_that_is_none_says_nothing(header: str) -> None:
    assert said(priority=header) == Said(Lane.INTERACTIVE, unread=("priority",))


def test_an_urgency_makes_a_prefetch_no_more_urgent() -> None:
    assert said(priority="u=0", sec_purpose="prefetch").lane is Lane.PREFETCH


@pytest.mark.parametrize(("header", "left_s"), [("1", 0.001), (" 2500 ", 2.5), ("999999999", 999_999.999)])
def test_a_deadline_is_milliseconds(header: str, left_s: float) -> None:
    assert said(x_request_deadline=header) == Said(Lane.INTERACTIVE, left_s=left_s)


@pytest.mark.parametrize("header", ["", "0", "-5", "5.5", "1e3", "5s", "0x5", "5, 5", "1" * 10, "\u0665"])
def test_a_deadline_that_is_none_says_nothing(header: str) -> None:
    assert said(x_request_deadline=header) == Said(Lane.INTERACTIVE, left_s=inf, unread=("x-request-deadline",))


@given(st.text(max_size=80), st.ip_addresses(), st.lists(st.sampled_from([EDGE, CDN, "10.1.2.3"]), max_size=4))
def test_nothing_a_client_writes_makes_it_somebody_else(written: str, client: object, proxies: list[str]) -> None:
    """Each proxy appends whom it was asked by."""
    address = ip_address(str(client))
    if any(address in ip_network(one) for one in ("10.0.0.0/8", CDN, "2001:db8:ed6e::/48", "::ffff:0:0/96")):
        return
    name = str(ip_network((int(address) >> 64 << 64, 64))) if address.version == 6 else str(address)
    chain = ", ".join([written, str(address), *proxies])
    assert said(x_forwarded_for=chain) == Said(Lane.INTERACTIVE, name)
    hops = [f'for="[{one}]"' if ":" in one else f"for={one}" for one in (str(address), *proxies)]
    assert said(forwarded=", ".join([written, *hops])) == Said(Lane.INTERACTIVE, name)


@given(st.text(max_size=300), st.text(max_size=300), st.text(max_size=300), st.text(max_size=300))
def test_nothing_breaks_it(forwarded: str, listed: str, priority: str, deadline: str) -> None:
    found = said(forwarded=forwarded, x_forwarded_for=listed, priority=priority, x_request_deadline=deadline)
    assert found.left_s > 0
    assert found.client

"""Mounts: tenants by host and prefix."""

from __future__ import annotations

import pytest

from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.policy import Policy
from tintype.core.tenant import DeliverySettings, Tenant
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.web.mounts import Mount, Mounts


def mount(name: str, *, hosts: tuple[str, ...] = (), prefix: str = "", policy: Policy | None = None) -> Mount:
    tenant = Tenant(name=name, hosts=hosts, prefix=prefix, policy=policy or Policy())
    return Mount(tenant, Imgproxy(ImgproxySettings()))


MOUNTS = Mounts.of(
    [
        mount("root"),
        mount("shop", hosts=("Shop.example",)),
        mount("deep", prefix="/a/b"),
        mount("a", prefix="/a"),
        mount("shop-a", hosts=("shop.example",), prefix="/a"),
    ]
)


@pytest.mark.parametrize(
    ("host", "path", "name", "rest"),
    [
        ("x", "/s/w:1/plain/u", "root", "/s/w:1/plain/u"),
        ("x", "/a/s/plain/u", "a", "/s/plain/u"),
        ("x", "/a/b/s", "deep", "/s"),
        ("x", "/ab/s", "root", "/ab/s"),
        ("x", "/a", "a", "/"),
        ("shop.example", "/s", "shop", "/s"),
        ("SHOP.example:8080", "/s", "shop", "/s"),
        ("shop.example", "/a/s", "shop-a", "/s"),
        ("[::1]:80", "/s", "root", "/s"),
        ("", "/s", "root", "/s"),
    ],
)
def test_find(host: str, path: str, name: str, rest: str) -> None:
    found = MOUNTS.find(host, path)
    assert found is not None
    assert (found[0].tenant.name, found[1]) == (name, rest)


def test_nothing_is_mounted() -> None:
    assert Mounts.of([mount("shop", hosts=("shop.example",))]).find("other", "/x") is None


def test_an_offer_keeps_what_can_matter_and_no_more() -> None:
    headers = {b"accept": b"image/avif,image/webp,image/png,*/*", b"dpr": b"2", b"width": b"300"}
    assert mount("plain").offer(headers) == Offer()
    assert mount("plain").vary == ""
    webp = mount("webp", policy=Policy(auto_formats=(Format.WEBP,)))
    assert (webp.vary, webp.offer(headers)) == ("Accept", Offer(accepts=(Format.WEBP,)))
    hints = mount("hints", policy=Policy(client_hints=True))
    assert hints.vary == "Sec-CH-DPR, DPR, Sec-CH-Width, Width"
    assert hints.offer(headers) == Offer(dpr=2.0, width=304)
    assert hints.offer({b"dpr": b"9", b"sec-ch-width": b"x"}) == Offer()


def test_what_an_origin_is_shown_the_answer_varies_by() -> None:
    shown = DeliverySettings(forward_headers=("X-User", "accept"))
    policy = Policy(auto_formats=(Format.WEBP,))
    assert Mount(Tenant(policy=policy, delivery=shown), Imgproxy(ImgproxySettings())).vary == "Accept, X-User"
    plain = Mount(Tenant(delivery=shown), Imgproxy(ImgproxySettings()))
    assert (plain.vary, plain.offer({b"accept": b"image/webp", b"dpr": b"2"})) == ("X-User, accept", Offer())


BROWSERS = [
    {},
    {b"accept": b"image/webp,*/*"},
    {b"accept": b"image/avif,image/webp"},
    {b"accept": b"*/*", b"dpr": b"2"},
]


def test_questions_differ_by_what_an_answer_depends_on_and_nothing_else() -> None:
    plain = Mounts.of([mount("a"), mount("b", prefix="/b")])
    assert len({plain.question(b"/x", b"", headers) for headers in BROWSERS}) == 1
    assert plain.question(b"/x", b"", {b"host": b"one"}) == plain.question(b"/x", b"", {b"host": b"two"})
    assert len({plain.question(path, query, {}) for path in (b"/x", b"/y") for query in (b"", b"q")}) == 4
    webp = Mounts.of([mount("a"), mount("webp", policy=Policy(auto_formats=(Format.WEBP,)))])
    assert len({webp.question(b"/x", b"", headers) for headers in BROWSERS}) == 3
    assert webp.question(b"/", b"", BROWSERS[0]) == webp.question(b"/", b"", BROWSERS[3])
    hints = Mounts.of([mount("hints", policy=Policy(client_hints=True))])
    assert len({hints.question(b"/x", b"", headers) for headers in BROWSERS}) == 4
    assert hints.question(b"/", b"", {b"width": b"301"}) == hints.question(b"/", b"", {b"sec-ch-width": b"304"})
    hosts = [MOUNTS.question(b"/x", b"", {b"host": name}) for name in (b"shop.example", b"other")]
    assert hosts[0] != hosts[1]


def test_any_number_of_accept_headers_takes_little_memory() -> None:
    webp = Mounts.of([mount("webp", policy=Policy(auto_formats=(Format.WEBP,)))])
    for number in range(10_000):
        webp.question(b"/x", b"", {b"accept": b"image/webp;q=0.%d" % number})
    assert len(webp._seen) <= 4096

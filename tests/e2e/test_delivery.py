"""Delivery through HTTP: what is passed on and whose it then is, purges, expiry, sources, headers."""

from __future__ import annotations

import base64
import hmac
import json
import time
from collections.abc import Iterator

import pytest

from tests.e2e.conftest import picture
from tests.e2e.node import Node
from tests.e2e.origin import Origin, Page
from tests.e2e.site import FRESH, KEY, SALT, SOURCE_KEY, running_site, shown, url
from tintype.dialects.imgproxy.crypt import Decrypter


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    with running_site(tmp_path_factory.mktemp("site"), origin) as node:
        yield node


# What is passed on, and whose it then is


@pytest.mark.parametrize("tenant", ["cookies", "all_cookies"])
def test_cookies_make_an_answer_its_users_own(site: Node, origin: Origin, tenant: str) -> None:
    name = f"/{tenant}.jpg"
    bodies = {"user=ada": picture(seed=60), "user=bob": picture(seed=61)}
    origin.pages[name] = Page(picture(seed=62), headers=FRESH)
    with by_header(origin, name, "cookie", bodies):
        answers = {c: site.ask(url(origin, tenant, "w:90", name[1:]), headers={"Cookie": c}) for c in bodies}
        nobody = site.ask(url(origin, tenant, "w:90", name[1:]))
    ada, bob = answers.values()
    assert ada.headers["cache-control"] == bob.headers["cache-control"] == "private, no-store"
    assert len({ada.body, bob.body, nobody.body}) == 3
    assert nobody.headers["cache-control"] == "max-age=31536000, public"


def test_cookies_of_another_host_stay_here(site: Node, origin: Origin) -> None:
    origin.pages["/elsewhere.jpg"] = Page(picture(seed=63), headers=FRESH)
    headers = {"Cookie": "user=ada", "Host": "img.example"}
    answer = site.ask(url(origin, "cookies", "w:90", "elsewhere.jpg"), headers=headers)
    assert answer.headers["cache-control"] == "max-age=31536000, public"
    assert all("cookie" not in sent for path, sent in origin.asked if path == "/elsewhere.jpg")
    site.ask(url(origin, "plain", "w:90", "elsewhere.jpg"), headers={"Cookie": "user=ada"})
    assert all("cookie" not in sent for path, sent in origin.asked if path == "/elsewhere.jpg")


def test_a_token_is_passed_on_and_its_answer_not_shared(site: Node, origin: Origin) -> None:
    bodies = {"Bearer one": picture(seed=64), "Bearer two": picture(seed=65)}
    origin.pages["/token.jpg"] = Page(b"no", 401)
    with by_header(origin, "/token.jpg", "authorization", bodies):
        asked = url(origin, "tokens", "w:90", "token.jpg")
        answers = [site.ask(asked, headers={"Authorization": token}) for token in bodies]
        assert site.ask(asked).status == 401
        stranger = site.ask(asked, headers={"Authorization": "Bearer three"})
    assert [a.status for a in answers] == [200, 200]
    assert answers[0].body != answers[1].body
    assert {a.headers["cache-control"] for a in answers} == {"private, no-store"}
    assert stranger.status == 401


def test_a_header_without_identity_names_another_binding_that_is_shared(site: Node, origin: Origin) -> None:
    bodies = {"phone": picture(seed=66), "desk": picture(seed=67)}
    origin.pages["/device.jpg"] = Page(picture(seed=68), headers=FRESH)
    with by_header(origin, "/device.jpg", "x-device", bodies):
        asked = url(origin, "tokens", "w:90", "device.jpg")
        answers = {d: [site.ask(asked, headers={"X-Device": d}) for _ in range(2)] for d in bodies}
    assert answers["phone"][0].body != answers["desk"][0].body
    assert all("desc=hit" in twice[1].headers["server-timing"] for twice in answers.values())
    assert origin.count("/device.jpg") == 2


class by_header:  # noqa: N801 - reads as a word of the test
    """Let a page's body depend on a request header while the block runs."""

    def __init__(self, origin: Origin, path: str, header: str, bodies: dict[str, bytes]) -> None:
        self._origin, self._path, self._header, self._bodies = origin, path, header, bodies
        self._answer = origin.answer

    def __enter__(self) -> None:
        def answer(request: object) -> None:
            value = request.headers.get(self._header, "")  # type: ignore[attr-defined]
            page = self._origin.pages[self._path]
            if request.path == self._path and value in self._bodies:  # type: ignore[attr-defined]
                self._origin.pages[self._path] = Page(self._bodies[value], headers=FRESH)
            try:
                self._answer(request)  # type: ignore[arg-type]
            finally:
                self._origin.pages[self._path] = page

        self._origin.answer = answer  # type: ignore[method-assign]

    def __exit__(self, *_: object) -> None:
        self._origin.answer = self._answer  # type: ignore[method-assign]


# Purging, expiry


def purge(site: Node, **what: object) -> dict[str, int]:
    headers = {"Content-Type": "application/json", "Authorization": "Bearer admin"}
    answer = site.ask("/v1/purge", "POST", headers, json.dumps(what).encode())
    assert answer.status == 200, answer.body
    done: dict[str, int] = json.loads(answer.body)
    return done


def test_purge_by_tag(site: Node, origin: Origin) -> None:
    origin.pages["/tagged.jpg"] = Page(picture(seed=70), headers=FRESH)
    tagged, other = (url(origin, "plain", o, "tagged.jpg") for o in ("w:50/ct:summer:beach", "w:60/ct:winter"))
    first = site.ask(tagged)
    assert set(first.headers["cache-tag"].split(",")) == {"summer", "beach"}
    site.ask(other)
    assert purge(site, tag="beach")["results"] == 1
    assert "desc=miss" in site.ask(tagged).headers["server-timing"]
    assert "desc=hit" in site.ask(other).headers["server-timing"]
    assert purge(site, tag="winter", tenant="red")["results"] == 0


def test_purge_by_prefix_and_of_all(site: Node, origin: Origin) -> None:
    names = ("pre/one.jpg", "pre/two.jpg", "other.jpg")
    for i, name in enumerate(names):
        origin.pages["/" + name] = Page(picture(seed=71 + i), headers=FRESH)
        site.ask(url(origin, "plain", "w:50", name))
    done = purge(site, prefix=f"{origin.url}/pre/")
    assert (done["results"], done["sources"]) == (2, 2)
    ways = [site.ask(url(origin, "plain", "w:50", name)).headers["server-timing"] for name in names]
    assert ["desc=miss" in way for way in ways] == [True, True, False]
    assert origin.count("/pre/one.jpg") == 2
    purge(site, all=True)
    assert "desc=miss" in site.ask(url(origin, "plain", "w:50", "other.jpg")).headers["server-timing"]
    assert origin.count("/other.jpg") == 2


def test_after_a_purge_an_old_etag_is_no_longer_confirmed_unseen(site: Node, origin: Origin) -> None:
    origin.pages["/known.jpg"] = Page(picture(seed=79), headers=FRESH)
    asked = url(origin, "plain", "w:50", "known.jpg")
    known = {"If-None-Match": site.ask(asked).headers["etag"]}
    assert site.ask(asked, headers=known).status == 304
    origin.pages["/known.jpg"] = Page(picture(seed=790), headers=FRESH)
    purge(site, source=f"{origin.url}/known.jpg")
    assert site.ask(asked, headers=known).status == 200


def test_expires(site: Node, origin: Origin) -> None:
    soon = int(time.time()) + 100
    answer = site.ask(url(origin, "plain", f"exp:{soon}"))
    age = int(answer.headers["cache-control"].split("=")[1].split(",")[0])
    assert 0 < age <= 100
    assert (
        site.ask(url(origin, "plain", f"exp:{soon}"), headers={"If-None-Match": answer.headers["etag"]}).status == 304
    )
    past = site.ask(url(origin, "plain", "exp:1000000000"))
    assert (past.status, past.headers["x-tintype-error"].split(":")[0]) == (404, "expired")


def test_a_url_expires_while_its_answer_is_remembered(site: Node, origin: Origin) -> None:
    for lasts_s in (2, 10, 60):  # what a busy machine may take for the first answer
        path = url(origin, "plain", f"w:33/exp:{int(time.time()) + lasts_s}")
        if site.ask(path).status == 200:
            break
    else:
        pytest.fail("it expired before it was answered")
    deadline = time.monotonic() + lasts_s + 30
    while site.ask(path).status != 404:
        assert time.monotonic() < deadline, "an expired URL is still served"
        time.sleep(0.2)


# Sources


def test_signed_and_encrypted_sources(site: Node, origin: Origin) -> None:
    source = f"{origin.url}/photo.jpg"
    hidden = Decrypter(SOURCE_KEY).encrypt(source, b"0123456789abcdef")
    rest = f"/w:44/enc/{hidden}.png"
    answer = site.ask("/secure/" + signature(rest) + rest)
    assert (answer.status, shown(answer).width, answer.headers["content-type"]) == (200, 44, "image/png")
    assert site.ask("/secure/unsafe" + rest).status == 403
    bent = rest.replace(hidden[20:24], "AAAA")
    assert site.ask("/secure/" + signature(bent) + bent).status == 404


def signature(rest: str) -> str:
    digest = hmac.digest(bytes.fromhex(KEY), bytes.fromhex(SALT) + rest.encode(), "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def test_base_url(site: Node, origin: Origin) -> None:
    origin.pages["/deep/in.jpg"] = Page(picture(seed=75), headers=FRESH)
    assert site.ask("/based/unsafe/w:20/plain/in.jpg").status == 200
    encoded = base64.urlsafe_b64encode(b"in.jpg").decode().rstrip("=")
    assert site.ask(f"/based/unsafe/w:20/{encoded}").status == 200
    assert site.ask(f"/based/unsafe/w:20/plain/{origin.url}/deep/in.jpg").status == 200


def test_allowed_sources(site: Node, origin: Origin) -> None:
    origin.pages["/listed/a.jpg"] = Page(picture(seed=76), headers=FRESH)
    assert site.ask(url(origin, "listed", "w:20", "listed/a.jpg")).status == 200
    asked = len(origin.asked)
    for name in ("photo.jpg", "listed", "LISTED/a.jpg"):
        assert site.ask(url(origin, "listed", "w:20", name)).status == 404
    assert len(origin.asked) == asked


def test_security_options(site: Node, origin: Origin) -> None:
    for option in ("msr:0.01", "msfs:1000", "mrd:40"):
        refused = site.ask(url(origin, "plain", option))
        assert (refused.status, refused.headers["x-tintype-error"].split(":")[0]) == (403, "not_allowed")
    assert site.ask(url(origin, "security", "msr:0.01")).headers["x-tintype-error"].startswith("image_too_large")
    assert site.ask(url(origin, "security", "msfs:1000")).headers["x-tintype-error"].startswith("source_too_large")
    assert max(shown(site.ask(url(origin, "security", "mrd:40"))).size) == 40
    assert getattr(shown(site.ask(url(origin, "moving", "", "moving.gif"))), "n_frames", 1) == 3
    assert getattr(shown(site.ask(url(origin, "security", "maf:2", "moving.gif"))), "n_frames", 1) == 2


# Headers


def test_cors(site: Node, origin: Origin) -> None:
    for path, status in ((url(origin, "cors"), 200), (url(origin, "cors", "zz:1"), 404)):
        answer = site.ask(path, headers={"Origin": "https://b.example"})
        assert (answer.status, answer.headers["access-control-allow-origin"]) == (status, "https://a.example")
    assert site.ask(url(origin, "cors"), "OPTIONS").headers["access-control-allow-methods"] == "GET, OPTIONS"
    assert "access-control-allow-origin" not in site.ask(url(origin, "plain")).headers


def test_validators_can_be_turned_off_and_busted(site: Node, origin: Origin) -> None:
    dated = {"Last-Modified": "Wed, 01 Jan 2025 00:00:00 GMT", **FRESH}
    origin.pages["/dated2.jpg"] = Page(picture(seed=77), headers=dated)
    bare = site.ask(url(origin, "bare", "w:30", "dated2.jpg"))
    assert not {"etag", "last-modified"} & bare.headers.keys()
    usual = site.ask(url(origin, "plain", "w:30", "dated2.jpg"))
    assert (
        site.ask(url(origin, "bare", "w:30", "dated2.jpg"), headers={"If-None-Match": usual.headers["etag"]}).status
        == 200
    )
    busted = site.ask(url(origin, "busted", "w:30", "dated2.jpg"))
    assert busted.headers["last-modified"] == "Fri, 01 Jan 2100 00:00:00 GMT"
    assert busted.headers["etag"] != usual.headers["etag"]
    for _ in range(2):  # once remembered, once not
        again = site.ask(url(origin, "busted", "w:30", "dated2.jpg"), headers={"If-None-Match": busted.headers["etag"]})
        assert (again.status, again.headers["etag"]) == (304, busted.headers["etag"])


def test_the_origins_cache_control_can_be_passed_on(site: Node, origin: Origin) -> None:
    origin.pages["/says.jpg"] = Page(picture(seed=78), headers={"Cache-Control": "public, max-age=77"})
    answer = site.ask(url(origin, "origin_says", "w:30", "says.jpg"))
    assert answer.headers["cache-control"] == "public, max-age=77"
    assert answer.headers["link"] == f'<{origin.url}/says.jpg>; rel="canonical"'


def test_delivery(site: Node, origin: Origin) -> None:
    answer = site.ask(url(origin, "download", "w:30/fn:holiday"))
    assert answer.headers["content-disposition"] == 'attachment; filename="holiday.jpg"'
    assert answer.headers["cache-control"] == "no-cache"
    assert site.ask(url(origin, "download", "w:30/att:0")).headers["content-disposition"].startswith("inline")

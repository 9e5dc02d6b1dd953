"""Features of the imgproxy dialect and of delivery, through HTTP: one node with a tenant for each configuration."""

from __future__ import annotations

import base64
import hmac
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips
from PIL import Image as Pillow

from tests.e2e.conftest import picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page, origin_server
from tintype.dialects.imgproxy.crypt import Decrypter

KEY, SALT = "736563726574", "68656c6c6f"
SOURCE_KEY = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
FRESH = {"Cache-Control": "max-age=600"}

TENANTS = """
[sources]
allow_loopback = true
[server]
admin_token = "admin"
[engine]
workers = 2
[cache]
missing_s = 0.2
error_s = 0.0
[tenants.auto]
policy.auto_formats = ["webp", "avif", "jxl"]
[tenants.enforce]
policy.enforce_formats = ["webp", "avif"]
[tenants.hints]
policy.client_hints = true
[tenants.only]
only_presets = true
presets.thumb = "rs:fill:64:64"
presets.png = "f:png"
[tenants.presets]
presets.default = "q:50/bg:fff"
presets.thumb = "rs:fill:64:64"
presets.web = "pr:thumb/f:webp"
[tenants.marked]
watermark.data = "{mark}"
[tenants.marked_by_url]
watermark.url = "{origin}/mark.png"
[tenants.marked_by_file]
watermark.path = "{folder}/mark.png"
policy.watermark_opacity = 0.5
[tenants.fallback]
fallback.data = "{spare}"
[tenants.fallback_file]
fallback.path = "{folder}/spare.png"
fallback.status = 0
fallback.ttl_s = 30
[tenants.fallback_url]
fallback.url = "{origin}/spare.png"
fallback.status = 418
[tenants.skip]
policy.passthrough = ["jpeg"]
[tenants.cookies]
delivery.cookie_passthrough = true
[tenants.all_cookies]
delivery.cookie_passthrough_all = true
[tenants.tokens]
delivery.forward_headers = ["Authorization", "X-Device"]
[tenants.secure]
keys = ["{key}"]
salts = ["{salt}"]
source_key = "{source_key}"
[tenants.based]
base_url = "{origin}/deep/"
[tenants.security]
allow_security_options = true
[tenants.cors]
delivery.allow_origin = "https://a.example"
[tenants.moving]
policy.frames = 100
[tenants.bare]
delivery.etag = false
delivery.last_modified = false
[tenants.busted]
delivery.etag_buster = "v2"
delivery.last_modified_buster = "Fri, 01 Jan 2100 00:00:00 GMT"
[tenants.origin_says]
delivery.origin_cache_control = true
delivery.canonical_header = true
[tenants.download]
delivery.attachment = true
delivery.ttl_s = 0
[tenants.listed]
allowed_sources = ["{origin}/listed/"]
[tenants.plain]
"""


def solid(color: tuple[int, int, int], size: tuple[int, int] = (60, 40), kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Pillow.new("RGB", size, color).save(out, kind)
    return out.getvalue()


def animated() -> bytes:
    frames = [Pillow.new("RGB", (60, 40), (80 * i, 100, 200)) for i in range(3)]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:], duration=50, loop=0)
    return out.getvalue()


MARK, SPARE = solid((255, 0, 0), (20, 20)), solid((0, 0, 255))


def toml(folder: Path, origin: Origin) -> str:
    """Return the settings, each tenant mounted at its name and trusting any URL that begins with /unsafe."""
    (folder / "mark.png").write_bytes(MARK)
    (folder / "spare.png").write_bytes(SPARE)
    values = {"{mark}": base64.b64encode(MARK).decode(), "{spare}": base64.b64encode(SPARE).decode()}
    values |= {
        "{key}": KEY,
        "{salt}": SALT,
        "{source_key}": SOURCE_KEY,
        "{origin}": origin.url,
        "{folder}": str(folder),
    }
    lines = []
    for line in TENANTS.splitlines():
        lines.append(line)
        if line.startswith("[tenants."):
            name = line.removeprefix("[tenants.").removesuffix("]")
            lines.append(f'prefix = "/{name}"')
            if name != "secure":
                lines.append('trusted_signatures = ["unsafe"]')
    text = "\n".join(lines)
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    folder = tmp_path_factory.mktemp("site")
    origin.pages |= {
        "/photo.jpg": Page(picture(), headers={**FRESH, "Content-Type": "image/jpeg"}),
        "/mark.png": Page(MARK, headers=FRESH),
        "/spare.png": Page(SPARE, headers=FRESH),
        "/moving.gif": Page(animated(), headers=FRESH),
        "/white.png": Page(solid((255, 255, 255), (100, 100)), headers=FRESH),
    }
    with running(folder, toml(folder, origin), metrics=True) as node:
        yield node


def url(origin: Origin, tenant: str, options: str = "rs:fit:100:100", name: str = "photo.jpg") -> str:
    return f"/{tenant}/unsafe/{options + '/' if options else ''}plain/{origin.url}/{name}"


def shown(answer: Answer) -> Pillow.Image:
    return Pillow.open(io.BytesIO(answer.body))


def colour(answer: Answer, x: int, y: int) -> tuple[int, ...]:
    value = shown(answer).convert("RGB").getpixel((x, y))
    assert isinstance(value, tuple)
    return tuple(int(v) for v in value)


def near(one: tuple[int, ...], other: tuple[int, ...], by: int = 6) -> bool:
    return max(abs(a - b) for a, b in zip(one, other, strict=True)) <= by


# Formats


@pytest.mark.parametrize(
    ("tenant", "accept", "ext", "got"),
    [
        ("auto", "image/avif,image/webp,*/*", "", "image/avif"),
        ("auto", "image/webp,*/*;q=0.8", "", "image/webp"),
        ("auto", "image/jxl, image/webp", "", "image/jxl"),
        ("auto", "image/*,*/*", "", "image/jpeg"),
        ("auto", "image/webp", "@png", "image/png"),
        ("enforce", "image/webp", "@png", "image/webp"),
        ("enforce", "image/avif,image/webp", "@png", "image/avif"),
        ("enforce", "image/jxl", "@png", "image/png"),
        ("plain", "image/avif,image/webp", "", "image/jpeg"),
    ],
)
def test_negotiation(site: Node, origin: Origin, tenant: str, accept: str, ext: str, got: str) -> None:
    answer = site.ask(url(origin, tenant) + ext, headers={"Accept": accept})
    assert (answer.status, answer.headers["content-type"]) == (200, got)
    assert answer.headers.get("vary") == (None if tenant == "plain" else "Accept")


def test_what_a_tenant_does_not_negotiate_makes_no_other_variants(site: Node, origin: Origin) -> None:
    first = site.ask(url(origin, "enforce", "w:71"), headers={"Accept": "image/webp,text/html;q=0.9"})
    second = site.ask(url(origin, "enforce", "w:71"), headers={"Accept": "image/jxl,image/png,image/webp"})
    assert first.headers["etag"] == second.headers["etag"]
    assert "desc=hit" in second.headers["server-timing"]


def test_animations_are_negotiated_to_what_can_move(site: Node, origin: Origin) -> None:
    answer = site.ask(url(origin, "moving", "w:30", "moving.gif") + "@webp")
    image = pyvips.Image.webpload_buffer(answer.body, n=-1)
    assert (image.get("n-pages"), image.width, image.get("page-height")) == (3, 30, 20)
    assert image.get("delay") == [50, 50, 50]
    still = site.ask(url(origin, "plain", "w:30", "moving.gif"))
    assert getattr(shown(still), "n_frames", 1) == 1


def test_client_hints(site: Node, origin: Origin) -> None:
    vary = "Sec-CH-DPR, DPR, Sec-CH-Width, Width"
    for headers, width in (
        ({}, 400),
        ({"Width": "120"}, 120),
        ({"Sec-CH-Width": "90", "Width": "120"}, 90),
        ({"DPR": "9", "Width": "50"}, 50),
        ({"Width": "many"}, 400),
    ):
        answer = site.ask(url(origin, "hints", ""), headers=headers)
        assert (shown(answer).width, answer.headers["vary"]) == (width, vary)
    assert shown(site.ask(url(origin, "hints", "w:50"), headers={"Sec-CH-DPR": "2", "Width": "300"})).width == 100
    assert shown(site.ask(url(origin, "plain", ""), headers={"Width": "120"})).width == 400


def test_max_bytes(site: Node, origin: Origin) -> None:
    whole, small = (site.ask(url(origin, "plain", o)) for o in ("w:300/q:90", "w:300/q:90/mb:4000"))
    assert len(small.body) <= 4000 < len(whole.body)
    assert shown(small).size == shown(whole).size


def test_skip_processing(site: Node, origin: Origin) -> None:
    source = origin.pages["/photo.jpg"].body
    assert site.ask(url(origin, "skip")).body == source
    assert site.ask(url(origin, "skip") + "@png").headers["content-type"] == "image/png"
    assert site.ask(url(origin, "plain", "w:50/skp:png:jpg")).body == source
    assert site.ask(url(origin, "plain", "w:50/skp:png")).body != source


def test_svg_is_handed_on_without_what_could_run(site: Node, origin: Origin) -> None:
    drawing = (
        b'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="40" height="20" '
        b'onload="steal()"><script>steal()</script><image xlink:href="http://127.0.0.1:1/x.png"/>'
        b'<foreignObject><body xmlns="http://www.w3.org/1999/xhtml">hi</body></foreignObject>'
        b'<a xlink:href="javascript:steal()"><rect width="40" height="20" fill="#00f"/></a></svg>'
    )
    origin.pages["/drawing.svg"] = Page(drawing, headers={**FRESH, "Content-Type": "image/svg+xml"})
    answer = site.ask(url(origin, "plain", "w:10", "drawing.svg"))
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml")
    assert b"<rect" in answer.body
    for word in (b"steal", b"script", b"foreignObject", b"127.0.0.1", b"onload"):
        assert word not in answer.body
    assert "sandbox" in answer.headers["content-security-policy"]
    pixels = site.ask(url(origin, "plain", "w:80", "drawing.svg") + "@png")
    assert shown(pixels).size == (80, 40)
    assert colour(pixels, 40, 20) == (0, 0, 255)


# Presets


def test_presets(site: Node, origin: Origin) -> None:
    assert shown(site.ask(url(origin, "presets", "pr:thumb"))).size == (64, 64)
    web = site.ask(url(origin, "presets", "pr:web"))
    assert (shown(web).size, web.headers["content-type"]) == ((64, 64), "image/webp")
    assert shown(site.ask(url(origin, "presets", "pr:thumb/w:90"))).size == (90, 64)
    missing = site.ask(url(origin, "presets", "pr:nope"))
    assert missing.status == 404
    assert "nope" in missing.headers["x-tintype-error"]


def test_presets_only(site: Node, origin: Origin) -> None:
    assert shown(site.ask(url(origin, "only", "thumb"))).size == (64, 64)
    both = site.ask(url(origin, "only", "thumb:png"))
    assert (shown(both).size, both.headers["content-type"]) == ((64, 64), "image/png")
    assert site.ask(url(origin, "only", "w:10")).status == 404


# Watermark and fallback


@pytest.mark.parametrize("tenant", ["marked", "marked_by_url", "marked_by_file"])
def test_watermark(site: Node, origin: Origin, tenant: str) -> None:
    answer = site.ask(url(origin, tenant, "wm:1:nowe:10:5", "white.png") + "@png")
    marked = (255, 127, 127) if tenant == "marked_by_file" else (255, 0, 0)
    assert near(colour(answer, 20, 15), marked)
    assert colour(answer, 5, 2) == colour(answer, 80, 80) == (255, 255, 255)
    bare = site.ask(url(origin, tenant, "wm:0", "white.png") + "@png")
    assert colour(bare, 20, 15) == (255, 255, 255)


def test_a_tiled_watermark_repeats(site: Node, origin: Origin) -> None:
    answer = site.ask(url(origin, "marked", "wm:1:re:20:20", "white.png") + "@png")
    pixels = shown(answer).convert("RGB")
    red = sum(count for count, value in pixels.getcolors(100_000) or [] if value == (255, 0, 0))
    assert red == 9 * 20 * 20  # three by three, one in the middle, as far apart as they are wide
    assert colour(answer, 50, 50) == (255, 0, 0)
    assert colour(answer, 30, 50) == (255, 255, 255)
    scaled = site.ask(url(origin, "marked", "wm:1:ce:0:0:0.5", "white.png") + "@png")
    assert colour(scaled, 50, 50) == colour(scaled, 28, 28) == (255, 0, 0)
    assert colour(scaled, 20, 20) == (255, 255, 255)


def test_a_tenant_without_a_watermark_draws_none(site: Node, origin: Origin) -> None:
    with_one, without = (site.ask(url(origin, "plain", o, "white.png")) for o in ("wm:1", ""))
    assert with_one.headers["etag"] == without.headers["etag"]


@pytest.mark.parametrize(
    ("tenant", "status", "control"),
    [
        ("fallback", 200, "max-age=60, public"),
        ("fallback_file", 404, "max-age=30, public"),
        ("fallback_url", 418, "max-age=60, public"),
    ],
)
def test_fallback(site: Node, origin: Origin, tenant: str, status: int, control: str) -> None:
    answer = site.ask(url(origin, tenant, "w:30", "nope.jpg"))
    assert (answer.status, answer.headers["cache-control"]) == (status, control)
    assert shown(answer).size == (30, 20)
    assert near(colour(answer, 10, 10), (0, 0, 255))
    assert "last-modified" not in answer.headers


def test_a_fallback_has_a_key_of_its_own_and_gives_way(site: Node, origin: Origin) -> None:
    path = url(origin, "fallback", "w:40", "comes-later.jpg")
    fallback = site.ask(path)
    assert fallback.status == 200
    origin.pages["/comes-later.jpg"] = Page(picture(seed=50), headers=FRESH)
    deadline = time.monotonic() + 10
    while (later := site.ask(path)).headers["etag"] == fallback.headers["etag"]:
        assert time.monotonic() < deadline, "the fallback stayed"
        time.sleep(0.1)
    assert later.headers["content-type"] == "image/jpeg"


def test_no_fallback_for_a_bad_url(site: Node, origin: Origin) -> None:
    assert site.ask(url(origin, "fallback", "zz:1")).status == 404


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
    path = url(origin, "plain", f"w:33/exp:{int(time.time()) + 2}")
    assert site.ask(path).status == 200
    deadline = time.monotonic() + 10
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


# Settings of the server


@pytest.fixture(scope="module")
def prefixed(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    settings = {
        "PATH_PREFIX": "/img/x",
        "HEALTH_CHECK_PATH": "/alive",
        "ENABLE_DEBUG_HEADERS": "true",
        "DEVELOPMENT_ERRORS_MODE": "true",
        "ALLOW_LOOPBACK_SOURCE_ADDRESSES": "true",
        "ENABLE_CLIENT_HINTS": "true",
    }
    origin.pages["/photo.jpg"] = Page(picture(), headers=FRESH)
    env = {f"IMGPROXY_{name}": value for name, value in settings.items()}
    with running(tmp_path_factory.mktemp("prefixed"), env=env, ready=False) as node:
        wait_for_port(node)
        yield node


def wait_for_port(node: Node) -> None:
    """Wait for a node whose /ready is behind its prefix."""
    deadline = time.monotonic() + 30
    while True:
        try:
            if node.ask("/img/x/ready").status == 200:
                return
        except OSError:
            pass
        assert time.monotonic() < deadline, node.log
        time.sleep(0.05)


def test_path_prefix_and_health(prefixed: Node, origin: Origin) -> None:
    path = f"/unsafe/w:40/plain/{origin.url}/photo.jpg"
    assert prefixed.ask("/img/x" + path).status == 200
    assert prefixed.ask(path).status == 404
    assert prefixed.ask("/img/xy" + path).status == 404
    assert [prefixed.ask(p).status for p in ("/img/x/alive", "/img/x/health")] == [200, 200]


def test_debug_headers(prefixed: Node, origin: Origin) -> None:
    path = f"/img/x/unsafe/w:40/plain/{origin.url}/photo.jpg"
    for _ in range(2):
        headers = prefixed.ask(path).headers
        assert (headers["x-origin-width"], headers["x-origin-height"]) == ("400", "300")
        assert (headers["x-result-width"], headers["x-result-height"]) == ("40", "30")
        assert headers["x-origin-content-length"] == str(len(picture()))


def test_development_errors_say_what_was_wrong(prefixed: Node, origin: Origin) -> None:
    assert b"abc" in prefixed.ask(f"/img/x/unsafe/w:abc/plain/{origin.url}/photo.jpg").body


def test_profiles_differ_where_they_say(tmp_path: Path, prefixed: Node) -> None:
    """imgproxy's profile averages in gamma and lets private addresses be tried; tintype's does neither."""
    checks = Pillow.new("L", (64, 64))
    checks.putdata([255 * ((i + i // 64) % 2) for i in range(64 * 64)])
    out = io.BytesIO()
    checks.save(out, "PNG")
    with origin_server() as origin:
        origin.pages["/checks.png"] = Page(out.getvalue(), headers=FRESH)
        path = f"/unsafe/rs:force:8:8/plain/{origin.url}/checks.png"
        gamma = colour(prefixed.ask("/img/x" + path), 4, 4)[0]
        (tmp_path / "t").mkdir()
        settings = '[sources]\nallow_loopback = true\n[tenants.default]\ntrusted_signatures = ["unsafe"]\n'
        with running(tmp_path / "t", settings) as node:
            linear = colour(node.ask(path), 4, 4)[0]
            refused = node.ask("/unsafe/w:1/plain/http://10.255.255.1/x.jpg").headers["x-tintype-error"]
    assert abs(gamma - 127) <= 3
    assert abs(linear - 188) <= 3
    assert refused.startswith("source_denied")
    tried = prefixed.ask("/img/x/unsafe/w:1/plain/http://10.255.255.1:9/x.jpg").headers["x-tintype-error"]
    assert not tried.startswith("source_denied")
    assert "private" in prefixed.log

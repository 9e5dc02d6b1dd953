"""Features of the imgproxy dialect, through HTTP: negotiation, presets, watermarks, fallbacks, settings of the server."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pyvips
from PIL import Image as Pillow

from tests.e2e.conftest import picture
from tests.e2e.node import Node, running
from tests.e2e.origin import Origin, Page, origin_server
from tests.e2e.site import FRESH, colour, near, running_site, shown, url


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, origin: Origin) -> Iterator[Node]:
    with running_site(tmp_path_factory.mktemp("site"), origin) as node:
        yield node


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
        ({"Width": "120"}, 128),  # hints go up a ladder
        ({"Sec-CH-Width": "90", "Width": "120"}, 96),
        ({"DPR": "9", "Width": "50"}, 64),
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
    deadline = time.monotonic() + 60
    while (later := site.ask(path)).headers["etag"] == fallback.headers["etag"]:
        assert time.monotonic() < deadline, "the fallback stayed"
        time.sleep(0.1)
    assert later.headers["content-type"] == "image/jpeg"


def test_no_fallback_for_a_bad_url(site: Node, origin: Origin) -> None:
    assert site.ask(url(origin, "fallback", "zz:1")).status == 404


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
    deadline = time.monotonic() + 60
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

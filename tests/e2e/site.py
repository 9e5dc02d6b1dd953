"""One node with a tenant for each configuration, and short ways to ask it and to look at what it answers."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image as Pillow

from tests.e2e.conftest import PATIENT, picture
from tests.e2e.node import Answer, Node, running
from tests.e2e.origin import Origin, Page

KEY, SALT = "736563726574", "68656c6c6f"
SOURCE_KEY = "1eb5b0e971ad7f45324c1bb15c947cb207c43152fa5c6c7f35c4f36e0c18e0f1"
FRESH = {"Cache-Control": "max-age=600"}

TENANTS = (
    PATIENT
    + """
[limits]
fetch_timeout_s = 20
request_timeout_s = 60
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
delivery.promote = false
[tenants.enforce]
policy.enforce_formats = ["webp", "avif"]
delivery.promote = false
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
)


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


@contextmanager
def running_site(folder: Path, origin: Origin) -> Iterator[Node]:
    """Run the node, over an origin that has what the tenants and the tests of all features need."""
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

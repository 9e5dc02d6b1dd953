"""The golden cases: a name and a URL each, in the words of imgproxy's users, over the sources of `sources`."""

from __future__ import annotations

from dataclasses import dataclass

# Tenants of the node that answers: the default one in linear light, and these by prefix.
TOML = """
[sources]
local_root = "{sources}"
[engine]
workers = 2
[limits]
request_timeout_s = 30
[tenants.default]
trusted_signatures = ["golden"]
[tenants.gamma]
prefix = "/gamma"
trusted_signatures = ["golden"]
policy.light = "gamma"
policy.shrink_table = "imgproxy"
[tenants.marked]
prefix = "/marked"
trusted_signatures = ["golden"]
watermark.path = "{sources}/mark.png"
[tenants.moving]
prefix = "/moving"
trusted_signatures = ["golden"]
policy.frames = 100
"""


@dataclass(frozen=True, slots=True)
class Case:
    """`mean` and `most`: how far the mean, and the furthest value, of the grid may be from the golden one."""

    url: str
    mean: float = 0.8
    most: float = 5.0


def _case(options: str, source: str, tenant: str = "", *, mean: float = 0.8, most: float = 5.0) -> Case:
    return Case(f"{tenant}/golden/{options + '/' if options else ''}plain/local:///{source}", mean, most)


def _lossy(options: str, source: str, tenant: str = "") -> Case:
    """Leave room for what encoders of other versions make of the same pixels."""
    return _case(options, source, tenant, mean=1.5, most=10.0)


CASES: dict[str, Case] = {
    # Fits
    "contain": _case("rs:fit:300:300", "photo.jpg@png"),
    "contain-gamma": _case("rs:fit:300:300", "photo.jpg@png", "/gamma"),
    "cover": _case("rs:fill:200:200", "photo.jpg@png"),
    "cover-down": _case("rs:fill-down:400:100", "small.jpg@png"),
    "exact": _case("rs:force:120:300", "photo.jpg@png"),
    "auto-wide": _case("rs:auto:300:120", "photo.jpg@png"),
    "auto-tall": _case("rs:auto:300:120", "tall.jpg@png"),
    "width": _case("w:150", "tall.jpg@png"),
    "height": _case("h:90", "photo.jpg@png"),
    "not-enlarged": _case("rs:fit:400:400", "small.jpg@png"),
    "enlarged": _case("rs:fit:400:400:1", "small.jpg@png"),
    "least-size": _case("rs:fit:100:100/mw:140", "photo.jpg@png"),
    "zoom": _case("w:200/z:0.5", "photo.jpg@png"),
    "dpr": _case("rs:fit:100:100/dpr:2/pd:4/bg:804020", "photo.jpg@png"),
    "tiny": _case("rs:fill:16:16", "photo.jpg@png"),
    "one-pixel": _case("rs:force:1:1", "photo.jpg@png", mean=2, most=6),
    # Gravity and crops
    "gravity-north": _case("rs:fill:200:60/g:no", "photo.jpg@png"),
    "gravity-south-east": _case("rs:fill:60:200/g:soea:10:5", "photo.jpg@png"),
    "gravity-focus": _case("rs:fill:150:300/g:fp:0.9:0.2", "photo.jpg@png"),
    "gravity-smart": _case("rs:fill:120:240/g:sm", "photo.jpg@png", mean=2, most=20),
    "crop": _case("c:400:300:nowe:150:300", "photo.jpg@png"),
    "crop-share": _case("c:0.5:0.25:so/w:200", "photo.jpg@png"),
    "crop-then-cover": _case("c:600:600/rs:fill:100:50", "photo.jpg@png"),
    "trim": _case("t:30", "framed.png"),
    "trim-equal": _case("t:30::1:1", "framed.png"),
    "trim-resize": _case("t:30:f0f0eb/rs:fit:80:80", "framed.png"),
    # Turning
    "upright": _case("w:100", "turned.jpg@png"),
    "upright-mirrored": _case("w:100", "mirrored.jpg@png"),
    "as-stored": _case("w:100/ar:0", "turned.jpg@png"),
    "rotate-90": _case("w:100/rot:90", "photo.jpg@png"),
    "rotate-270-flip": _case("w:100/rot:270/fl:1", "photo.jpg@png"),
    "flip-both": _case("w:100/fl:1:1", "turned.jpg@png"),
    # Canvas
    "extend": _case("rs:fit:200:200:0:1/bg:336699", "photo.jpg@png"),
    "extend-place": _case("rs:fit:200:200/ex:1:nowe:10:20", "photo.jpg@png"),
    "extend-aspect": _case("rs:fit:100:200/exar:1:so/bg:fff", "photo.jpg@png"),
    "padding": _case("w:120/pd:5:10:15:20/bg:0a0", "photo.jpg@png"),
    "padding-clear": _case("w:120/pd:12", "photo.jpg@png"),
    "background": _case("w:160/bg:255:0:0", "alpha.png"),
    # Filters
    "blur": _case("w:200/bl:4", "photo.jpg@png"),
    "sharpen": _case("w:200/sh:1.5", "photo.jpg@png", most=8),
    "pixelate": _case("w:200/pix:10", "photo.jpg@png", most=8),
    # Alpha and depth
    "alpha": _case("w:160", "alpha.png"),
    "alpha-lossless-webp": _case("w:160", "alpha.webp@png"),
    "alpha-to-jpeg": _lossy("w:160", "alpha.png@jpg"),
    "alpha-crop-cover": _case("rs:fill:100:140/g:ea", "alpha.png"),
    "gray-alpha": _case("w:90", "gray_alpha.png"),
    "palette": _case("w:120", "palette.png@png"),
    "deep-kept": _case("w:200/ph:1", "deep.png"),
    "deep-reduced": _case("w:200", "deep.png"),
    # Colour
    "gray-jpeg": _lossy("w:120", "gray.jpg"),
    "gray-png": _case("w:120", "gray.png"),
    "cmyk-jpeg": _case("w:180", "cmyk.jpg@png"),
    "cmyk-tiff": _case("w:180", "cmyk.tiff@png"),
    "cmyk-tiff-as-jpeg": _lossy("w:180", "cmyk.tiff"),
    "p3": _case("w:150", "p3.png"),
    "p3-jpeg": _case("w:150", "p3.jpg@png"),
    "p3-kept": _case("w:150/scp:0", "p3.png"),
    # Animations, vectors
    "still-of-animation": _case("w:80", "animation.gif@png"),
    "animation": _case("w:80", "animation.gif", "/moving", mean=2, most=16),
    "animation-cover-webp": _lossy("rs:fill:60:60/g:we", "animation.gif@webp", "/moving"),
    "animation-webp-to-gif": _case("h:60/fl:1", "animation.webp@gif", "/moving", mean=2, most=16),
    "animation-padded": _lossy("w:80/pd:5/bg:222", "animation.webp", "/moving"),
    "vector": _case("w:200", "drawing.svg@png"),
    "vector-enlarged": _case("rs:fit:600:600/bg:fff", "drawing.svg@png"),
    "vector-cover": _lossy("rs:fill:100:100", "drawing.svg@webp"),
    # Formats in
    "progressive-jpeg": _case("w:130", "progressive.jpg@png"),
    "from-bmp": _case("w:100", "picture.bmp@png"),
    "from-ico": _case("", "icon.ico@png"),
    "from-tiff": _case("w:100", "picture.tiff@png"),
    "from-avif": _case("w:100", "picture.avif@png"),
    "from-jxl": _case("w:100", "picture.jxl@png"),
    # Formats out
    "jpeg": _lossy("w:300/q:70", "photo.jpg"),
    "webp": _lossy("w:300", "photo.jpg@webp"),
    "avif": _lossy("w:300", "photo.jpg@avif"),
    "jxl": _lossy("w:300", "photo.jpg@jxl"),
    "gif": _case("w:100", "photo.jpg@gif", mean=3, most=20),
    "tiff": _lossy("w:100", "photo.jpg@tiff"),
    "bmp": _case("w:100", "photo.jpg@bmp"),
    "ico": _case("w:300", "alpha.png@ico"),
    "avif-too-small": _lossy("rs:fill:12:12", "photo.jpg@avif"),
    "max-bytes": _case("w:300/mb:6000", "photo.jpg", mean=4, most=25),
    # Watermark
    "watermark": _case("w:300/wm:0.8:soea:10:10", "photo.jpg@png", "/marked"),
    "watermark-scaled": _case("w:300/wm:1:ce:0:0:0.5", "photo.jpg@png", "/marked"),
    "watermark-tiled": _case("w:300/wm:0.5:re:20:10", "photo.jpg@png", "/marked"),
    "watermark-on-alpha": _case("w:200/wm:1:nowe", "alpha.png", "/marked"),
    "watermark-on-gray": _case("w:200/wm:1", "gray.png", "/marked"),
}

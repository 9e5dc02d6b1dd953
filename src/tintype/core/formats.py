"""The image formats tintype knows, and the facts about each that decisions rest on."""

from __future__ import annotations

import msgspec

from tintype.core.values import Name


class Format(Name):
    """An image format, by the name that settings, URLs and messages use."""

    JPEG = "jpeg"
    PNG = "png"
    GIF = "gif"
    WEBP = "webp"
    AVIF = "avif"
    HEIC = "heic"
    TIFF = "tiff"
    SVG = "svg"
    BMP = "bmp"
    ICO = "ico"
    JXL = "jxl"
    JP2 = "jp2"
    PSD = "psd"
    PDF = "pdf"


class Facts(msgspec.Struct, frozen=True):
    """What a format can do. `max_side_px` and `max_pixels` are limits of the container or its encoder (0 = none)."""

    mime: str
    extension: str
    load: bool = False
    save: bool = False
    alpha: bool = False
    animation: bool = False
    quality: bool = False
    vector: bool = False
    max_side_px: int = 0
    max_pixels: int = 0


# What takes several times as long to write as the others.
SLOW = frozenset((Format.AVIF, Format.JXL))

FACTS: dict[Format, Facts] = {
    Format.JPEG: Facts("image/jpeg", "jpg", load=True, save=True, quality=True, max_side_px=65535),
    Format.PNG: Facts("image/png", "png", load=True, save=True, alpha=True),
    # libvips' GIF writer (cgif) takes 16-bit sides and at most 2000 million pixels over all frames.
    Format.GIF: Facts(
        "image/gif",
        "gif",
        load=True,
        save=True,
        alpha=True,
        animation=True,
        max_side_px=65535,
        max_pixels=2_000_000_000,
    ),
    # WEBP_MAX_DIMENSION of libwebp's encode.h.
    Format.WEBP: Facts(
        "image/webp", "webp", load=True, save=True, alpha=True, animation=True, quality=True, max_side_px=16383
    ),
    Format.AVIF: Facts("image/avif", "avif", load=True, save=True, alpha=True, quality=True, max_side_px=16384),
    Format.HEIC: Facts("image/heic", "heic", load=True, alpha=True, max_side_px=16384),
    Format.TIFF: Facts("image/tiff", "tiff", load=True, save=True, alpha=True, quality=True),
    Format.SVG: Facts("image/svg+xml", "svg", load=True, alpha=True, vector=True),
    Format.BMP: Facts("image/bmp", "bmp", load=True, save=True, alpha=True),
    Format.ICO: Facts("image/x-icon", "ico", load=True, save=True, alpha=True, max_side_px=256),
    Format.JXL: Facts("image/jxl", "jxl", load=True, save=True, alpha=True, quality=True),
    Format.JP2: Facts("image/jp2", "jp2"),
    Format.PSD: Facts("image/vnd.adobe.photoshop", "psd"),
    Format.PDF: Facts("application/pdf", "pdf"),
}

LOADABLE = frozenset(f for f, facts in FACTS.items() if facts.load)
SAVABLE = frozenset(f for f, facts in FACTS.items() if facts.save)

# The smallest AVIF side: below it the encoders and some viewers fail, so PNG or JPEG is written instead.
AVIF_MIN_SIDE_PX = 16

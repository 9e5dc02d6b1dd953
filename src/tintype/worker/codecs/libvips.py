"""The formats that libvips decodes itself: JPEG, PNG, GIF, WebP, AVIF and TIFF, each by its own loader."""

from __future__ import annotations

from typing import Any

import pyvips

from tintype.core.errors import UnsupportedImage
from tintype.core.formats import Format
from tintype.core.info import ImageInfo, Space
from tintype.core.plan import Load
from tintype.worker.pixels import ICC, Data, Image, has, number

_LOADERS = {
    Format.JPEG: "jpegload_source",
    Format.PNG: "pngload_source",
    Format.GIF: "gifload_source",
    Format.WEBP: "webpload_source",
    Format.AVIF: "heifload_source",
    Format.TIFF: "tiffload_source",
    Format.SVG: "svgload_source",
}
_SPACES = {
    "srgb": Space.SRGB,
    "rgb": Space.SRGB,
    "rgb16": Space.SRGB,
    "scrgb": Space.SRGB,
    "b-w": Space.GRAY,
    "grey16": Space.GRAY,
    "cmyk": Space.CMYK,
    "lab": Space.LAB,
    "labs": Space.LAB,
    "labq": Space.LAB,
}
_ANIMATED = frozenset({Format.GIF, Format.WEBP})
_BITS = {"uchar": 8, "char": 8, "ushort": 16, "short": 16}


def read(format: Format, data: Data, **options: Any) -> Image:
    """Open an image without decoding it: the header is read now, pixels when they are asked for, from the top down."""
    if format is Format.JPEG:
        _check_precision(data)
    source = pyvips.Source.new_from_memory(data)
    image = pyvips.Operation.call(_LOADERS[format], source, access="sequential", fail_on="none", **options)
    # As pyvips' own new_from_source does: the bytes live as long as what is made from the image.
    image._references.append(source)
    return image


def load(data: Data, plan: Load) -> Image:
    return read(plan.format, data, **_options(plan))


def _options(plan: Load) -> dict[str, Any]:
    match plan.format:
        case Format.JPEG:
            return {"shrink": plan.shrink}
        case Format.WEBP:
            return {"scale": plan.scale, "n": plan.frames}
        case Format.GIF:
            return {"n": plan.frames}
        case Format.AVIF:
            return {"thumbnail": plan.thumbnail}
        case _:
            return {}


def info(format: Format, data: Data) -> ImageInfo:
    image = read(format, data)
    thumbnail = _thumbnail(data, image) if format is Format.AVIF else (0, 0)
    return ImageInfo(
        format=format,
        width=image.width,
        height=image.height,
        frames=frames(image) if format in _ANIMATED else 1,
        bands=image.bands,
        bits=_BITS.get(image.format, 32),
        alpha=bool(image.hasalpha()),
        orientation=min(8, max(1, number(image, "orientation", 1))),
        space=_SPACES.get(image.interpretation, Space.OTHER),
        profile=has(image, ICC),
        progressive=bool(number(image, "interlaced", 0) or number(image, "jpeg-multiscan", 0)),
        thumbnail_width=thumbnail[0],
        thumbnail_height=thumbnail[1],
    )


def frames(image: Image) -> int:
    """Return how many frames an animation has; pages without delays are no animation."""
    return number(image, "n-pages", 1) if has(image, "delay") else 1


def _thumbnail(data: Data, image: Image) -> tuple[int, int]:
    small = read(Format.AVIF, data, thumbnail=True)
    size = (small.width, small.height)
    return size if size < (image.width, image.height) else (0, 0)


# Start of frame markers of T.81, table B.1; not DHT (C4), JPG (C8), DAC (CC).
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


def _check_precision(data: Data) -> None:
    """Refuse 12-bit JPEG by name: the decoder would only call it corrupt.

    Walks the segments of T.81, B.1.1: a marker is FF and a code, most are followed by a length that counts itself.
    """
    at, end = 2, len(data)
    while at + 9 < end and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xDA:
            return
        if marker in _FRAMES:
            if data[at + 4] > 8:
                raise UnsupportedImage(f"JPEG of {data[at + 4]} bits a sample is not supported, only 8 is")
            return
        at += 1 if marker == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")

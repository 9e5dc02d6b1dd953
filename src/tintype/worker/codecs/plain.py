"""Results as most are (8 bits, one frame, nothing but pixels), written by the quickest way to each library."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import AvifImagePlugin, WebPImagePlugin
from PIL.Image import fromarray

from tintype.worker.pixels import Image, number

Pixels: TypeAlias = npt.NDArray[np.uint8]

# Pillow and our PNG hold a result three times over; what is larger is streamed by libvips.
_MOST_PIXELS = 2_000_000
# Fields of libvips that no file has. Whatever else there is (a profile, EXIF, a resolution) is libvips' to write.
_HEADER = (
    "width",
    "height",
    "bands",
    "format",
    "coding",
    "interpretation",
    "xoffset",
    "yoffset",
    "xres",
    "yres",
    "filename",
)
_READ = ("bits-per-sample", "palette", "background", "vips-loader", "vips-sequential", "n-pages", "page-height")
_SILENT = frozenset(_HEADER + _READ)
# libvips' own default, and what metadata.strip leaves: rounded, and as the fraction that it writes.
_COMMON_DPI = {25: (25400, 1000), 72: (72, 1)}

# EXIF 2.32, 4.6: directories of (tag, type, count, value or where it is from the begin of the block).
_SHORT, _LONG, _RATIONAL, _UNDEFINED = 3, 4, 5, 7
_MARK = b"Exif\0\0"
_ENTRY = struct.Struct("<HHI4s")
_BEGIN, _TABLE_BYTES = b"II*\0\x08\0\0\0", 2 + 6 * 12 + 4  # of the block; of a directory, each of which has six entries
_PNG_HEADER_BYTES, _BY_METRE = 33, 1  # signature and IHDR; the unit of pHYs


def plain(image: Image) -> Pixels | None:
    """Return the pixels of an image that is nothing else: rows x columns (x bands), in gray or sRGB. None for others."""
    return held(image) if is_silent(image) else None


def is_silent(image: Image) -> bool:
    """Tell whether an image says nothing of itself that would be written."""
    dpi = {round(image.xres * 25.4), round(image.yres * 25.4)}
    return _COMMON_DPI.keys() >= dpi and _SILENT.issuperset(image.get_fields())


def held(image: Image) -> Pixels | None:
    """Return the pixels of an image, as `plain` does, whatever it says of itself."""
    if image.format != "uchar" or image.interpretation not in ("srgb", "b-w") or image.bands > 4:
        return None
    if image.width * image.height > _MOST_PIXELS or number(image, "n-pages", 1) > 1:
        return None
    pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape((image.height, image.width, image.bands)[: 2 + (image.bands > 1)])


def exif(image: Image) -> bytes:
    """Return the EXIF block that libvips puts into the file of such an image: its size, its resolution, and constants."""
    where = len(_BEGIN) + _TABLE_BYTES  # of both fractions; the second directory follows them
    upright, inches, centred, uncalibrated = 1, 2, 1, 0xFFFF
    main = (
        (0x0112, _SHORT, 1, _number(upright)),
        (0x011A, _RATIONAL, 1, _number(where)),
        (0x011B, _RATIONAL, 1, _number(where + 8)),
        (0x0128, _SHORT, 1, _number(inches)),
        (0x0213, _SHORT, 1, _number(centred)),
        (0x8769, _LONG, 1, _number(where + 16)),
    )
    picture = (
        (0x9000, _UNDEFINED, 4, b"0210"),  # version
        (0x9101, _UNDEFINED, 4, b"\x01\x02\x03\0"),  # Y, Cb, Cr
        (0xA000, _UNDEFINED, 4, b"0100"),  # version of FlashPix
        (0xA001, _SHORT, 1, _number(uncalibrated)),
        (0xA002, _LONG, 1, _number(image.width)),
        (0xA003, _LONG, 1, _number(image.height)),
    )
    fractions = [struct.pack("<II", *_COMMON_DPI[round(per_mm * 25.4)]) for per_mm in (image.xres, image.yres)]
    return b"".join((_MARK, _BEGIN, _table(main), *fractions, _table(picture)))


def _table(entries: Sequence[tuple[int, int, int, bytes]]) -> bytes:
    """Return a directory, the last of its kind."""
    return struct.pack("<H", len(entries)) + b"".join(_ENTRY.pack(*entry) for entry in entries) + bytes(4)


def _number(value: int) -> bytes:
    return struct.pack("<I", value)


def told(png: bytes, image: Image) -> bytes:
    """Return a PNG with what libvips would put before its pixels: the EXIF block, and the resolution."""
    resolution = struct.pack(">IIB", round(image.xres * 1000), round(image.yres * 1000), _BY_METRE)
    chunks = ((b"eXIf", exif(image).removeprefix(_MARK)), (b"pHYs", resolution))
    framed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"".join((png[:_PNG_HEADER_BYTES], *framed, png[_PNG_HEADER_BYTES:]))


def webp(pixels: Pixels, quality: int, effort: int, exif: bytes = b"") -> bytes:
    return _written(pixels, WebPImagePlugin.WebPImageFile.format, quality=quality, method=effort, exif=exif)


def avif(pixels: Pixels, quality: int, speed: int) -> bytes:
    """Write all of the colour (4:4:4); gray has none."""
    chroma = {"subsampling": "4:4:4"} if pixels.ndim == 3 else {}
    return _written(pixels, AvifImagePlugin.AvifImageFile.format, quality=quality, speed=speed, max_threads=1, **chroma)


def _written(pixels: Pixels, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    fromarray(pixels).save(file, format, **options)
    return file.getvalue()

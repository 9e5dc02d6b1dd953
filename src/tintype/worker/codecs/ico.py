"""ICO: the largest image inside is read, be it PNG or BMP; one PNG is written."""

from __future__ import annotations

import io
import struct
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from PIL import IcoImagePlugin

from tintype.core.errors import BrokenImage
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load
from tintype.worker.codecs import libvips
from tintype.worker.pixels import Data, Image, from_array

# ICONDIR and ICONDIRENTRY; a side of 0 means 256.
_DIRECTORY = struct.Struct("<HHH")
_ENTRY = struct.Struct("<BBBxHHII")
_HEAD_BYTES = _DIRECTORY.size + _ENTRY.size
_MAX_IMAGES = 256
_MAX_SIDE = 256
_PNG = b"\x89PNG\r\n\x1a\n"


class _Entry(NamedTuple):
    width: int
    height: int
    bits: int
    data: Data


def info(data: Data) -> ImageInfo:
    """Return header facts. A bitmap (at most 256 x 256) is decoded, as only its mask tells whether it has alpha."""
    entry = _largest(data)
    if _is_png(entry):
        return replace(libvips.info(Format.PNG, entry.data), format=Format.ICO)
    image = _bitmap(entry)
    return ImageInfo(
        format=Format.ICO, width=image.width, height=image.height, bands=image.bands, alpha=bool(image.hasalpha())
    )


def load(data: Data, _plan: Load) -> Image:
    entry = _largest(data)
    return libvips.read(Format.PNG, entry.data) if _is_png(entry) else _bitmap(entry)


def save(png: bytes, width: int, height: int) -> bytes:
    """Wrap a PNG of at most 256 x 256 pixels."""
    entry = _ENTRY.pack(width % 256, height % 256, 0, 1, 32, len(png), _HEAD_BYTES)
    return _DIRECTORY.pack(0, 1, 1) + entry + png


def _is_png(entry: _Entry) -> bool:
    return bytes(entry.data[:8]) == _PNG


def _largest(data: Data) -> _Entry:
    _, _, count = _DIRECTORY.unpack_from(data)
    entries = [_entry(data, _DIRECTORY.size + i * _ENTRY.size) for i in range(min(count, _MAX_IMAGES))]
    whole = [entry for entry in entries if len(entry.data) >= 40]
    if not whole:
        raise BrokenImage("ICO: there is no whole image inside")
    return max(whole, key=lambda entry: (entry.width * entry.height, entry.bits))


def _entry(data: Data, at: int) -> _Entry:
    width, height, _colors, _planes, bits, size, offset = _ENTRY.unpack_from(data, at)
    return _Entry(width or 256, height or 256, bits, data[offset : offset + size])


def _bitmap(entry: _Entry) -> Image:
    """Decode a bitmap: colours over a one-bit mask, under a header whose height counts both."""
    width, height = struct.unpack_from("<ii", entry.data, 4)
    if not (0 < width <= _MAX_SIDE and 0 < height <= 2 * _MAX_SIDE):
        raise BrokenImage(f"ICO: a bitmap inside says it is {width} x {height // 2}, and 256 x 256 is the most")
    single = _ENTRY.pack(entry.width % 256, entry.height % 256, 0, 1, entry.bits, len(entry.data), _HEAD_BYTES)
    icon = IcoImagePlugin.IcoFile(io.BytesIO(_DIRECTORY.pack(0, 1, 1) + single + bytes(entry.data)))
    pixels = np.asarray(icon.frame(0).convert("RGBA"))
    # A mask that hides nothing is no alpha; one that hides everything is a mistake, and the icon is shown without it.
    return from_array(pixels if np.ptp(pixels[:, :, 3]) else pixels[:, :, :3], "srgb")

"""BMP: 32-bit rows are read and 24- and 32-bit rows written here; rarer kinds go through Pillow's parser."""

from __future__ import annotations

import struct

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Save
from tintype.worker.codecs import pillow
from tintype.worker.pixels import Data, Image, from_array, to_array

# BITMAPFILEHEADER and BITMAPV5HEADER.
_FILE_HEADER = struct.Struct("<2sIHHI")
_V5_HEADER = struct.Struct("<IiiHHIIiiII4I4s36x3I4I")
_INFO_HEADER_BYTES = 40
_UNCOMPRESSED = 0
_ORDERS = {1: [0], 3: [2, 1, 0], 4: [2, 1, 0, 3]}  # bands as they are stored


def info(data: Data) -> ImageInfo:
    found = pillow.info(Format.BMP, data)
    if _is_plain(data) and np.any(_plain_rows(data)[:, :, 3]):
        return replace(found, bands=4, alpha=True)
    return found


def load(data: Data, _plan: Load) -> Image:
    if not _is_plain(data):
        return pillow.load(Format.BMP, data)
    rows = _plain_rows(data)
    # The fourth byte is alpha wherever a program has written it at all.
    return from_array(rows[:, :, [2, 1, 0, 3] if np.any(rows[:, :, 3]) else [2, 1, 0]], "srgb")


def save(image: Image, _save: Save, _quality: int) -> bytes:
    """Write bottom-up rows of gray, BGR or BGRA with a version 5 header, uncompressed, as imgproxy does."""
    pixels = to_array(image)
    height, width, bands = pixels.shape
    pixels = pixels[::-1, :, _ORDERS[bands]].reshape(height, width * bands)
    rows = np.pad(pixels, ((0, 0), (0, -(width * bands) % 4)))
    palette = b"".join(bytes((gray, gray, gray, 0)) for gray in range(256)) if bands == 1 else b""
    offset = _FILE_HEADER.size + _V5_HEADER.size + len(palette)
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    header = _V5_HEADER.pack(
        *(_V5_HEADER.size, width, height, 1, bands * 8, _UNCOMPRESSED, rows.size),
        *(0, 0, len(palette) // 4, 0, *masks, b"BGRs", 0, 0, 0, 4, 0, 0, 0),
    )
    return _FILE_HEADER.pack(b"BM", offset + rows.size, 0, 0, offset) + header + palette + rows.tobytes()


def _is_plain(data: Data) -> bool:
    """Tell whether pixels are uncompressed, of 32 bits."""
    if len(data) < _FILE_HEADER.size + _INFO_HEADER_BYTES or _header(data)[0] < _INFO_HEADER_BYTES:
        return False
    _, width, height, _, bits, compression = _header(data)
    whole = width > 0 and abs(height) > 0 and _offset(data) + 4 * width * abs(height) <= len(data)
    return bits == 32 and compression == _UNCOMPRESSED and whole


def _header(data: Data) -> tuple[int, int, int, int, int, int]:
    """Return header size, width, height (negative: from the top down), planes, bits and compression."""
    return struct.unpack_from("<IiiHHI", data, _FILE_HEADER.size)


def _offset(data: Data) -> int:
    return int(_FILE_HEADER.unpack_from(data)[4])


def _plain_rows(data: Data) -> npt.NDArray[np.uint8]:
    """Return rows x columns x BGRA, from the top down."""
    _, width, height, *_ = _header(data)
    pixels = np.frombuffer(data, np.uint8, 4 * width * abs(height), _offset(data)).reshape(abs(height), width, 4)
    return pixels if height < 0 else pixels[::-1]

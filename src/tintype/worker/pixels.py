"""What images in the worker are: libvips images, and the few questions that every step asks of them."""

from __future__ import annotations

import mmap
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pyvips

Image: TypeAlias = pyvips.Image
Data: TypeAlias = memoryview
BytesLike: TypeAlias = bytes | memoryview | mmap.mmap
"""What a source may be given as; nothing is copied."""

ICC = "icc-profile-data"
BLOB = pyvips.GValue.blob_type
INT = pyvips.GValue.gint_type
INTS = pyvips.GValue.array_int_type


def has(image: Image, field: str) -> bool:
    return bool(image.get_typeof(field))


def number(image: Image, field: str, default: int) -> int:
    """Return an integer of the header, or the default where there is none."""
    value = image.get(field) if has(image, field) else default
    return value if isinstance(value, int) else default


def blob(image: Image, field: str) -> bytes:
    """Return a binary field of the header, b"" where there is none."""
    return bytes(image.get(field)) if has(image, field) else b""


def without(image: Image, *fields: str) -> Image:
    """Return the image without header fields; pixels are shared."""
    gone = [field for field in fields if has(image, field)]
    if not gone:
        return image
    image = image.copy()
    for field in gone:
        image.remove(field)
    return image


def with_blob(image: Image, field: str, value: bytes) -> Image:
    image = image.copy()
    image.set_type(BLOB, field, value)
    return image


def with_pixels(image: Image, pixels: Image) -> Image:
    """Return pixels, at most as many across and down, with the image's header fields; its own are never asked for."""
    header = without(image, "vips-sequential")
    if (header.width, header.height) != (pixels.width, pixels.height):
        header = header.extract_area(0, 0, pixels.width, pixels.height)
    return header.insert(pixels, 0, 0)


def colour_bands(image: Image) -> int:
    """Return how many bands are colour; any other is alpha."""
    return int(image.bands) - int(bool(image.hasalpha()))


def full(image: Image) -> float:
    """Return the value of full alpha, and of white."""
    return 65535.0 if image.interpretation in ("rgb16", "grey16") else 255.0


def from_array(pixels: npt.NDArray[np.generic], interpretation: str) -> Image:
    """Wrap rows x columns x bands of uint8 or uint16."""
    height, width = pixels.shape[:2]
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    kind = "ushort" if pixels.dtype == np.uint16 else "uchar"
    data = np.ascontiguousarray(pixels)
    return pyvips.Image.new_from_memory(data, width, height, bands, kind).copy(interpretation=interpretation)


def to_array(image: Image) -> npt.NDArray[np.generic]:
    """Return rows x columns x bands, uint8 or uint16."""
    kind = np.uint16 if image.format == "ushort" else np.uint8
    return np.frombuffer(image.write_to_memory(), dtype=kind).reshape(image.height, image.width, image.bands)

"""JPEG XL through imagecodecs' libjxl; header and metadata are read by our own parser, as nothing there tells of them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from functools import cache
from typing import Any, TypeAlias

import imagecodecs
import numpy as np
import numpy.typing as npt

from tintype.core.errors import BrokenImage
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Save
from tintype.worker import colour, metadata
from tintype.worker.codecs import libjxl
from tintype.worker.codecs.bits import U32, Bits
from tintype.worker.pixels import ICC, Data, Image, from_array, to_array, with_blob

_HEAD_BYTES = 256  # of a codestream: more than its headers up to the colour space can take
_METADATA_BYTES = 1_000_000  # of EXIF or XMP; longer blocks hold pictures, and are left out

# U32 distributions of ISO/IEC 18181-1: (constant, bits) by selector.
_SIDE: U32 = ((1, 9), (1, 13), (1, 18), (1, 30))
_BITS: U32 = ((8, 0), (10, 0), (12, 0), (1, 6))
_FLOAT_BITS: U32 = ((32, 0), (16, 0), (24, 0), (1, 6))
_EXTRA_CHANNELS: U32 = ((0, 0), (1, 0), (2, 4), (1, 12))
_RATIOS = (
    None,
    Fraction(1),
    Fraction(12, 10),
    Fraction(4, 3),
    Fraction(3, 2),
    Fraction(16, 9),
    Fraction(5, 4),
    Fraction(2),
)


def info(data: Data) -> ImageInfo:
    """Read SizeHeader and the first fields of ImageMetadata; the decoder applies the orientation found there."""
    bits = Bits(_codestream(data)[:_HEAD_BYTES])
    if bits.take(16) != 0x0AFF:
        raise BrokenImage("JPEG XL: the codestream does not begin as one")
    width, height = _size(bits)
    if bits.flag():  # all_default, sRGB too
        return ImageInfo(format=Format.JXL, width=width, height=height)
    orientation = _extra_fields(bits) if bits.flag() else 1
    depth = _depth(bits)
    bits.flag()  # modular_16bit_buffers
    alpha = bits.u32(_EXTRA_CHANNELS) > 0
    if orientation > 4:
        width, height = height, width
    found = libjxl.profile(data)
    return ImageInfo(
        format=Format.JXL,
        width=width,
        height=height,
        bands=3 + alpha,
        bits=8 if depth <= 8 else 16,
        alpha=alpha,
        profile=bool(found.icc) and not found.linear,
    )


def load(data: Data, _plan: Load) -> Image:
    """Decode the first frame, in 8 or 16 bits, in whatever space it was kept in."""
    pixels = imagecodecs.jpegxl_decode(bytes(data), index=0, numthreads=1)
    if pixels.dtype not in (np.uint8, np.uint16):
        pixels = (np.clip(pixels.astype(np.float32), 0, 1) * 65535 + 0.5).astype(np.uint16)
    profile = libjxl.profile(data)
    bands = pixels.shape[2] if pixels.ndim == 3 else 1
    if profile.linear and not profile.icc:  # by table, as the library for profiles is rough in the shadows
        pixels = _through(_from_light(), pixels if pixels.dtype == np.uint16 else pixels * np.uint16(257))
    deep, gray = pixels.dtype == np.uint16, bands < 3
    image = from_array(pixels, ("grey16" if gray else "rgb16") if deep else ("b-w" if gray else "srgb"))
    if profile.icc:
        image = with_blob(image, ICC, profile.icc)
        image = colour.settle(image) if profile.linear else image  # while it has all its depth
    return _with_metadata(image, data)


def _with_metadata(image: Image, data: Data) -> Image:
    """Attach EXIF and XMP. The orientation of the codestream has been applied, and that of EXIF counts for nothing."""
    found = dict(_metadata(data))
    if exif := found.get(b"Exif"):
        offset = int.from_bytes(exif[:4], "big")
        image = metadata.upright(metadata.with_exif(image, exif[4 + offset :]))
    if xmp := found.get(b"xml "):
        image = with_blob(image, "xmp-data", xmp)
    return image


def _metadata(data: Data) -> Iterator[tuple[bytes, bytes]]:
    """Yield (type, body) of the boxes that say something about the picture, decompressed."""
    if bytes(data[:2]) == b"\xff\x0a":
        return
    for kind, body in _boxes(data, _METADATA_BYTES):
        if kind in (b"Exif", b"xml "):
            yield kind, bytes(body)
        elif kind == b"brob" and bytes(body[:4]) in (b"Exif", b"xml "):
            with contextlib.suppress(imagecodecs.BrotliError):  # broken, or longer than metadata is
                yield bytes(body[:4]), bytes(imagecodecs.brotli_decode(bytes(body[4:]), out=_METADATA_BYTES))


def save(image: Image, save: Save, quality: int) -> bytes:
    pixels = to_array(image)
    if pixels.dtype == np.uint16:  # imagecodecs says of these that they are linear light
        pixels = _through(_to_light(), pixels)
    if pixels.shape[2] == 1:
        pixels = pixels[:, :, 0]
    return bytes(
        imagecodecs.jpegxl_encode(pixels, distance=_distance(quality), effort=max(1, min(9, save.effort)), numthreads=1)
    )


Samples: TypeAlias = npt.NDArray[np.uint16]


def _through(table: Samples, pixels: npt.NDArray[Any]) -> Samples:
    """Return pixels with their colours looked up in a table, and alpha as it is."""
    if pixels.ndim == 2:
        return np.take(table, pixels)
    colours = pixels.shape[2] - (pixels.shape[2] in (2, 4))
    return np.dstack([np.take(table, pixels[:, :, :colours]), pixels[:, :, colours:]])


@cache
def _to_light() -> Samples:
    """Return linear light by sRGB value."""
    value = np.arange(65536) / 65535
    return _samples(np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4))


@cache
def _from_light() -> Samples:
    """Return the sRGB value by linear light."""
    light = np.arange(65536) / 65535
    return _samples(np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055))


def _samples(values: npt.NDArray[np.float64]) -> Samples:
    return np.rint(values * 65535).astype(np.uint16)


def _distance(quality: int) -> float:
    """Return the Butteraugli distance of a quality, by the formula of libjxl's JxlEncoderDistanceFromQuality."""
    if quality >= 100:
        return 0.0
    return 0.1 + (100 - quality) * 0.09 if quality >= 30 else 53 / 3000 * quality**2 - 23 / 20 * quality + 25


def _codestream(data: Data) -> bytes:
    """Return the start of the codestream: the file itself, or the first jxlc or jxlp box of a container."""
    if bytes(data[:2]) == b"\xff\x0a":
        return bytes(data[:_HEAD_BYTES])
    for kind, body in _boxes(data, _HEAD_BYTES):
        if kind in (b"jxlc", b"jxlp"):
            return bytes(body[4 if kind == b"jxlp" else 0 :][:_HEAD_BYTES])
    raise BrokenImage("JPEG XL: there is no codestream inside")


def _boxes(data: Data, most: int) -> Iterator[tuple[bytes, Data]]:
    """Yield (type, body) of the boxes of an ISO base media file, at most so much of each body."""
    at = 0
    while at + 8 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = len(data) if size == 0 else at + size
        if end < at + head:
            return
        yield bytes(data[at + 4 : at + 8]), data[at + head : min(end, at + head + most)]
        at = end


def _size(bits: Bits) -> tuple[int, int]:
    """SizeHeader: the height, then a ratio or the width."""
    small = bits.flag()
    height = (bits.take(5) + 1) * 8 if small else bits.u32(_SIDE)
    if ratio := _RATIOS[bits.take(3)]:
        return int(height * ratio), height
    return (bits.take(5) + 1) * 8 if small else bits.u32(_SIDE), height


def _extra_fields(bits: Bits) -> int:
    """Read orientation, intrinsic size, preview and animation headers; return the orientation."""
    orientation = bits.take(3) + 1
    if bits.flag():
        _size(bits)
    if bits.flag():
        _preview(bits)
    if bits.flag():
        bits.u32(((100, 0), (1000, 0), (1, 10), (1, 30)))
        bits.u32(((1, 0), (1001, 0), (1, 8), (1, 10)))
        bits.u32(((0, 0), (0, 3), (0, 16), (0, 32)))
        bits.flag()
    return orientation


def _preview(bits: Bits) -> None:
    sides: U32 = ((16, 0), (32, 0), (1, 5), (33, 9)) if bits.flag() else ((1, 6), (65, 8), (321, 10), (1345, 12))
    bits.u32(sides)
    if not bits.take(3):
        bits.u32(sides)


def _depth(bits: Bits) -> int:
    if not bits.flag():
        return bits.u32(_BITS)
    depth = bits.u32(_FLOAT_BITS)
    bits.take(4)
    return depth

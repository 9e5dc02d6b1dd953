"""Finished pixels as bytes: an image as its steps left it, with all of its header, for an encoder that is asked for later."""

from __future__ import annotations

from typing import Any

import msgspec
import pyvips

from tintype.core.errors import BrokenImage
from tintype.core.plan import HELD_RESULT_PIXELS
from tintype.worker.pixels import BLOB, INT, INTS, Data, Image, without

# Types of header fields by a name of ours: libvips' number, and what pyvips takes. What has another is not kept.
_TYPES: dict[str, tuple[int, type]] = {
    "int": (INT, int),
    "real": (pyvips.GValue.gdouble_type, float),
    "text": (pyvips.GValue.refstr_type, str),
    "blob": (BLOB, bytes),
    "ints": (INTS, list),
}
_NAMES = {number: name for name, (number, _) in _TYPES.items()}
_SAMPLE_BYTES = {"uchar": 1, "ushort": 2}
# What every image has, and libvips lists among its fields; the pixels' shape, then what is copied.
_SHAPE = ("width", "height", "bands", "format")
_COPIED = ("interpretation", "xoffset", "yoffset", "xres", "yres")
_HEADER = frozenset((*_SHAPE, *_COPIED, "coding", "filename"))
_HEADER_BYTES = 500_000  # EXIF, a profile, XMP; what has more is not kept
# Before the header stands its length, in so many bytes; pixels begin at a multiple of as many.
_ALIGNED = 8


class _Told(msgspec.Struct, frozen=True):
    width: int
    height: int
    bands: int
    format: str
    copied: dict[str, Any]
    fields: list[tuple[str, str, Any]]


_DECODER = msgspec.msgpack.Decoder(_Told)


def packed(image: Image) -> tuple[bytes, bytes] | None:
    """Return the header and the pixels of an image, None if it has what cannot be told."""
    names = [name for name in image.get_fields() if name not in _HEADER]
    kinds = [_NAMES.get(image.get_typeof(name), "") for name in names]
    if image.coding != "none" or image.format not in _SAMPLE_BYTES or "" in kinds:
        return None
    shape = {name: getattr(image, name) for name in _SHAPE}
    copied = {name: getattr(image, name) for name in _COPIED}
    fields = [(name, kind, image.get(name)) for name, kind in zip(names, kinds, strict=True)]
    header = msgspec.msgpack.encode(_Told(**shape, copied=copied, fields=fields))
    if len(header) > _HEADER_BYTES:
        return None
    return len(header).to_bytes(_ALIGNED, "little") + header + bytes(-len(header) % _ALIGNED), image.write_to_memory()


def unpacked(data: Data) -> Image:
    """Return the image that `packed` told; its pixels stay where they are. Raises BrokenImage: it is none."""
    size = int.from_bytes(data[:_ALIGNED], "little")
    try:
        told = _DECODER.decode(data[_ALIGNED : _ALIGNED + size])
        pixels = data[_ALIGNED + size + -size % _ALIGNED :]
        _check(told, len(pixels))
        image = pyvips.Image.new_from_memory(pixels, told.width, told.height, told.bands, told.format)
        image = image.copy(**{name: told.copied[name] for name in _COPIED})
        for name, kind, value in told.fields:
            number, python = _TYPES[kind]
            image.set_type(number, name, python(value))
        image = without(image, *_more(image, told))
    except (msgspec.MsgspecError, pyvips.Error, LookupError, TypeError, ValueError) as error:
        raise BrokenImage(f"finished pixels that are not what was kept: {error}") from None
    return image


def _more(image: Image, told: _Told) -> set[str]:
    """Return fields that were not told: libvips reads an EXIF block that is attached, and adds what it finds, and defaults."""
    return set(image.get_fields()) - _HEADER - {name for name, _, _ in told.fields}


def _check(told: _Told, size: int) -> None:
    samples = told.width * told.height
    if min(told.width, told.height) < 1 or samples > HELD_RESULT_PIXELS or not 1 <= told.bands <= 4:
        raise ValueError(f"{told.width}x{told.height} pixels of {told.bands} bands")
    if size != samples * told.bands * _SAMPLE_BYTES[told.format]:
        raise ValueError(f"{size} bytes")

"""TIFF: by libvips, but for JPEG data of the old style, which its libtiff is built without."""

from __future__ import annotations

import struct

from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.info import ImageInfo, Space
from tintype.core.plan import Load
from tintype.worker.codecs import libvips, pillow
from tintype.worker.pixels import Data, Image

_COMPRESSION = 259
_OLD_JPEG = 6
_MAX_TAGS = 200


def info(data: Data) -> ImageInfo:
    if not _is_old_jpeg(data):
        return libvips.info(Format.TIFF, data)
    return replace(pillow.info(Format.TIFF, data), bands=4, alpha=True, space=Space.SRGB)


def load(data: Data, plan: Load) -> Image:
    """Open an image; JPEG of the old style comes as RGBA, as everything does that libtiff converts itself."""
    return (
        pillow.load(Format.TIFF, data).colourspace("srgb").bandjoin(255)
        if _is_old_jpeg(data)
        else libvips.load(data, plan)
    )


def _is_old_jpeg(data: Data) -> bool:
    """Look the compression up in the first directory of a classic TIFF (TIFF 6.0, section 2)."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(bytes(data[:4]))
    if order is None:
        return False
    try:
        (at,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, at)
        entries = (struct.unpack_from(f"{order}HHIH", data, at + 2 + 12 * i) for i in range(min(count, _MAX_TAGS)))
        return any(tag == _COMPRESSION and value == _OLD_JPEG for tag, _, _, value in entries)
    except struct.error:
        return False

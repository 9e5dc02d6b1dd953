"""HEIC: decoded by libheif with libde265, which come without encoders; libvips' own build reads AVIF only."""

from __future__ import annotations

from typing import Any

import numpy as np
import pi_heif

from tintype.core.errors import BrokenImage
from tintype.core.formats import Format
from tintype.core.info import ImageInfo, Space
from tintype.core.plan import Load
from tintype.worker import metadata
from tintype.worker.pixels import ICC, Data, Image, from_array, with_blob


def info(data: Data) -> ImageInfo:
    """Return header facts; libheif has applied the rotation boxes, so that EXIF orientation is void."""
    picture = _open(data)
    width, height = picture.size
    return ImageInfo(
        format=Format.HEIC,
        width=width,
        height=height,
        bands=len(_bands(picture)),
        bits=16 if picture.info.get("bit_depth", 8) > 8 else 8,
        alpha="A" in _bands(picture),
        space=Space.GRAY if _bands(picture)[0] == "L" else Space.SRGB,
        profile=bool(picture.info.get("icc_profile")),
    )


def load(data: Data, _plan: Load) -> Image:
    picture = _open(data)
    pixels = np.array(picture)  # a copy: libheif frees its own with the picture
    deep = pixels.dtype == np.uint16
    gray = _bands(picture)[0] == "L"
    image = from_array(pixels, ("grey16" if gray else "rgb16") if deep else ("b-w" if gray else "srgb"))
    if profile := picture.info.get("icc_profile"):
        image = with_blob(image, ICC, profile)
    if exif := picture.info.get("exif"):
        image = metadata.with_exif(image, exif)
    if xmp := picture.info.get("xmp"):
        image = with_blob(image, "xmp-data", xmp)
    return image


def _open(data: Data) -> Any:
    """Return the primary image, undecoded; samples of more than 8 bits are scaled to 16."""
    options = pi_heif.options
    options.DECODE_THREADS, options.THUMBNAILS, options.DEPTH_IMAGES, options.AUX_IMAGES = 1, False, False, False
    pictures = pi_heif.open_heif(bytes(data), convert_hdr_to_8bit=False)
    if not len(pictures):
        raise BrokenImage("HEIC: there is no image inside that can be decoded")
    return pictures[pictures.primary_index]


def _bands(picture: Any) -> str:
    """Return "RGB", "RGBA", "L" or "LA"; the mode may end in the depth ("RGB;16")."""
    return str(picture.mode).split(";", maxsplit=1)[0]

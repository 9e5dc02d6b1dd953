"""JPEG results: pixels by Pillow, quantised by jpegli's tables, as a quality scales them; metadata as libvips writes it.

The tables are those of libjxl's lib/jpegli/quant.cc for YCbCr, as jpegli has them at quality 80, chroma by three fifths of that,
and all of it scaled so that photos have as many bytes at quality 80 as the standard's tables and 4:2:0 give them. At equal bytes
the picture is better, at every quality and size (docs/decisions/0017).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from functools import cache
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import JpegImagePlugin
from PIL.Image import fromarray

from tintype.worker.pixels import Image

Pixels: TypeAlias = npt.NDArray[np.uint8]
Table: TypeAlias = tuple[int, ...]

# At quality 50, row by row.
_LUMA = (
    13, 16, 30, 30, 36, 36, 43, 43,
    16, 20, 30, 30, 36, 33, 43, 43,
    30, 30, 30, 36, 40, 43, 40, 46,
    30, 30, 36, 36, 46, 53, 50, 50,
    36, 36, 40, 46, 50, 53, 59, 59,
    36, 33, 43, 53, 53, 59, 56, 66,
    43, 43, 40, 50, 59, 56, 59, 59,
    43, 43, 46, 50, 59, 66, 59, 46,
)  # fmt: skip
_CHROMA = (
    20, 26, 44, 40, 55, 57, 59, 61,
    26, 38, 44, 46, 53, 46, 44, 55,
    44, 44, 44, 44, 57, 46, 51, 57,
    40, 46, 44, 46, 51, 51, 48, 55,
    55, 53, 57, 51, 44, 61, 59, 53,
    57, 46, 46, 51, 61, 55, 65, 420,
    59, 44, 51, 48, 59, 65, 414, 546,
    61, 55, 57, 55, 53, 420, 546, 752,
)  # fmt: skip

_MOST = 255  # of baseline JPEG
_ALL_COLOUR_FROM = 90
_START, _APP = b"\xff\xd8", range(0xE0, 0xF0)  # of an image; of what applications put before it (T.81, table B.1)


def save(pixels: Pixels, quality: int, *, own_huffman: bool, progressive: bool) -> bytes:
    """Write gray or colour at a quality of 1 to 100. `own_huffman`: by tables of its own, which progressive has anyway."""
    file = io.BytesIO()
    fromarray(pixels).save(
        file,
        JpegImagePlugin.JpegImageFile.format,
        qtables=tables(quality),
        subsampling=subsampling(quality),
        optimize=own_huffman,
        progressive=progressive,
    )
    return file.getvalue()


def told(body: bytes, image: Image) -> bytes:
    """Return a JPEG with what libvips would put before the pixels of an image: profile, EXIF, XMP, IPTC, resolution."""
    blank = image.extract_area(0, 0, 1, 1).embed(0, 0, image.width, image.height)  # EXIF tells the size
    before = b"".join(_before(blank.jpegsave_buffer(Q=1)))
    return _START + before + body[len(_START) + sum(map(len, _before(body))) :]


def _before(jpeg: bytes) -> Iterator[bytes]:
    """Yield the segments of applications that a JPEG begins with."""
    at = len(_START)
    while jpeg[at + 1] in _APP:
        end = at + 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
        yield jpeg[at:end]
        at = end


@cache
def tables(quality: int) -> tuple[Table, Table]:
    """Return luma's and chroma's table at a quality of 1 to 100, scaled as libjpeg scales (jpeg_quality_scaling)."""
    percent = 5000 // quality if quality < 50 else 200 - 2 * quality
    return _scaled(_LUMA, percent), _scaled(_CHROMA, percent)


def _scaled(table: Table, percent: int) -> Table:
    return tuple(max(1, min(_MOST, (value * percent + 50) // 100)) for value in table)


def subsampling(quality: int) -> str:
    """Return which colours are kept: half of the columns below quality 90, where that is better at equal bytes, then all."""
    return "4:2:2" if quality < _ALL_COLOUR_FROM else "4:4:4"

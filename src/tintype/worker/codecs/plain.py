"""Results as most are (8 bits, one frame, nothing but pixels), written by the quickest way to each library."""

from __future__ import annotations

import io
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
_SILENT = frozenset(
    {
        *(
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
        ),
        *("bits-per-sample", "palette", "background", "vips-loader", "vips-sequential", "n-pages", "page-height"),
    }
)
_COMMON_DPI = (25, 72)  # libvips' own default, and what metadata.strip leaves


def plain(image: Image) -> Pixels | None:
    """Return the pixels of an image that is nothing else: rows x columns (x bands), in gray or sRGB. None for others."""
    if image.format != "uchar" or image.interpretation not in ("srgb", "b-w") or image.bands > 4:
        return None
    if image.width * image.height > _MOST_PIXELS or number(image, "n-pages", 1) > 1:
        return None
    if round(image.xres * 25.4) not in _COMMON_DPI or not _SILENT.issuperset(image.get_fields()):
        return None
    pixels = np.frombuffer(image.write_to_memory(), np.uint8)
    return pixels.reshape((image.height, image.width, image.bands)[: 2 + (image.bands > 1)])


def webp(pixels: Pixels, quality: int, effort: int) -> bytes:
    return _written(pixels, WebPImagePlugin.WebPImageFile.format, quality=quality, method=effort)


def avif(pixels: Pixels, quality: int, speed: int) -> bytes:
    """Write all of the colour (4:4:4); gray has none."""
    chroma = {"subsampling": "4:4:4"} if pixels.ndim == 3 else {}
    return _written(pixels, AvifImagePlugin.AvifImageFile.format, quality=quality, speed=speed, max_threads=1, **chroma)


def _written(pixels: Pixels, format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    fromarray(pixels).save(file, format, **options)
    return file.getvalue()

"""What Pillow decodes for us: BMP, and TIFF with JPEG data of the old style. Each by its own plugin, never by content."""

from __future__ import annotations

import io

import numpy as np
from PIL import BmpImagePlugin, TiffImagePlugin
from PIL.Image import Image as Picture

from tintype.core.formats import Format
from tintype.core.info import ImageInfo, Space
from tintype.worker.pixels import Data, Image, from_array

_PLUGINS = {Format.BMP: BmpImagePlugin.BmpImageFile, Format.TIFF: TiffImagePlugin.TiffImageFile}


def read(format: Format, data: Data) -> Picture:
    """Open an image without decoding it."""
    return _PLUGINS[format](io.BytesIO(data))


def info(format: Format, data: Data) -> ImageInfo:
    picture = read(format, data)
    alpha = "A" in picture.getbands() or "transparency" in picture.info
    gray = picture.mode in ("1", "L")
    return ImageInfo(
        format=format,
        width=picture.width,
        height=picture.height,
        bands=(1 if gray else 3) + alpha,
        alpha=alpha,
        space=Space.GRAY if gray else Space.SRGB,
    )


def load(format: Format, data: Data) -> Image:
    """Decode to 8-bit gray, RGB or RGBA."""
    picture = read(format, data)
    if picture.mode == "1":
        picture = picture.convert("L")
    elif picture.mode not in ("L", "RGB", "RGBA"):
        alpha = "A" in picture.getbands() or "transparency" in picture.info
        picture = picture.convert("RGBA" if alpha else "RGB")
    return from_array(np.asarray(picture), "b-w" if picture.mode == "L" else "srgb")

"""JPEG: header and metadata by libvips, pixels by simplejpeg, whose libjpeg-turbo takes a quarter less time.

The pixels are the same to the last bit. Whatever is not plain goes to libvips whole: CMYK, many scans, damage, sizes that
are better streamed than held.
"""

from __future__ import annotations

import simplejpeg

from tintype.core.loading import HELD_PIXELS
from tintype.core.plan import Load
from tintype.worker.codecs import libvips
from tintype.worker.pixels import Data, Image, from_array, number, with_pixels

# By bands: what simplejpeg calls them.
_SPACES = {1: "GRAY", 3: "RGB"}
# Below this side nothing is to be won, and several of the decoder's factors give the same size.
_LEAST_SIDE = 64
# Of progressive files; cameras and programs write about ten. libvips bounds what more of them may cost.
_MAX_SCANS = 50
_SCAN = b"\xff\xda"


def load(data: Data, plan: Load) -> Image:
    image = libvips.load(data, plan)
    if not _plain(image) or _scans(image, data) > _MAX_SCANS:
        return image
    least = (image.width, image.height) if plan.shrink > 1 else (0, 0)
    try:
        # Strict: libvips decides, as for every other format, how much of a damaged file is shown.
        pixels = simplejpeg.decode_jpeg(data, _SPACES[image.bands], min_width=least[0], min_height=least[1])
    except (ValueError, RuntimeError, MemoryError):
        return image
    rows, columns = pixels.shape[:2]
    # libvips leaves out the last, partly filled row and column of blocks.
    if not (0 <= rows - image.height <= 1 and 0 <= columns - image.width <= 1):
        return image
    space = "srgb" if image.bands == 3 else "b-w"
    return with_pixels(image, from_array(pixels, space).extract_area(0, 0, image.width, image.height))


def _plain(image: Image) -> bool:
    sides = (image.width, image.height)
    return image.bands in _SPACES and min(sides) >= _LEAST_SIDE and sides[0] * sides[1] <= HELD_PIXELS


def _scans(image: Image, data: Data) -> int:
    """Count start-of-scan markers, which compressed data cannot hold; those of an embedded thumbnail count too."""
    return bytes(data).count(_SCAN) if number(image, "interlaced", 0) else 1

"""SVG: sanitised first, then rendered by librsvg at the size that is wanted."""

from __future__ import annotations

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load
from tintype.worker.codecs import libvips
from tintype.worker.pixels import Data, Image
from tintype.worker.svg import sanitise

_MIN_SCALE = 0.001  # libvips' own bound; smaller ones are reached through the resolution
_DPI = 72.0


def info(data: Data) -> ImageInfo:
    image = libvips.read(Format.SVG, memoryview(sanitise(data)))
    return ImageInfo(format=Format.SVG, width=image.width, height=image.height, bands=4, alpha=True)


def load(data: Data, plan: Load) -> Image:
    scale = max(plan.scale, _MIN_SCALE)
    dpi = _DPI * max(plan.scale / scale, _MIN_SCALE)
    return libvips.read(Format.SVG, memoryview(sanitise(data)), scale=scale, dpi=dpi)

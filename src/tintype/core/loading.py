"""How a source is decoded: which embedded image, and how far the decoder itself scales down.

A decoder that scales saves most of its own work, but its filter is poor; the tables say how much of the reduction it gets.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import msgspec
from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.geometry import Size, half_even, half_up
from tintype.core.info import ImageInfo
from tintype.core.ladder import from_rung
from tintype.core.plan import Load, Rung
from tintype.core.policy import Policy, ShrinkTable
from tintype.core.sizing import Sizes

# Reduction asked for -> what libjpeg does of it, in files as cameras write them and in others. Measured (docs/decisions/0014):
# against a linear-light Lanczos reduction of the whole image, 1/2 at 4x costs a camera's 0.3 points of SSIMULACRA2, at 2.5x one,
# and saves two fifths to half of the work; it costs sharper ones 3 in the mean and 19 at worst, and saves 9 ms. 1/4 at 8x to 12x
# costs 3 in the mean and 8 at worst, and saves a sixth. 3/8 is never worth it.
_JPEG_SOFT = ((16, 8), (12, 4), (2.5, 2))
_JPEG_SHARP = ((24, 8), (12, 4), (6, 2))
_JPEG_IMGPROXY = ((8, 8), (4, 4), (2, 2))

# How many times the target libwebp leaves, and the reduction from which it is asked at all: of images too large to be held.
# Others are decoded whole by a faster build that has no scaling, which takes half the time of a scaled one of libvips.
_WEBP_MARGIN = 2.0
_WEBP_FROM = 4.0
# From this reduction on libwebp smooths neither the edges of blocks nor colours: a sixth less work. Measured
# (docs/decisions/0014): the WebP made of it scores the same; at 1.5, of a poor source, a point less.
_WEBP_DRAFT = 2.5

# JPEG, PNG and WebP frames of up to so many pixels are decoded at once, which is faster, and held: 72 MB, 96 with alpha.
# Larger JPEG and PNG is streamed row by row, larger WebP scaled while it is decoded. A worker has room for more, but two of
# them and a mezzanine beside it would be most of a small machine.
HELD_PIXELS = 24_000_000
# Up to which pixels that alpha weighs are held beside these, 32 MB; libvips streams more of them, in twice the time.
WEIGHTED_PIXELS = 8_000_000

THUMBNAILS = frozenset((Format.HEIC, Format.AVIF))


class Loaded(msgspec.Struct, frozen=True):
    """A load, and what it means for an upright image: its size, and by how much each side was divided."""

    load: Load
    size: Size
    shrink_x: float = 1.0
    shrink_y: float = 1.0


def first_load(info: ImageInfo, policy: Policy, *, frames: int = 1, thumbnail: bool = False) -> Load:
    """Return the load that comes before any decision about sizes: it has the size that all of them start from.

    Vectors of more pixels than a source may have are rendered at just that many.
    """
    if thumbnail and info.format in THUMBNAILS and info.thumbnail_width and info.thumbnail_height:
        return Load(format=info.format, width=info.thumbnail_width, height=info.thumbnail_height, thumbnail=True)
    if info.vector and info.pixels > policy.source_pixels:
        return _vector(info, math.sqrt(policy.source_pixels / info.pixels))
    return Load(format=info.format, width=info.width, height=info.height, frames=frames)


def scale_on_load(
    load: Load, sizes: Sizes, info: ImageInfo, policy: Policy, *, angle: int, rung: Rung | None = None
) -> Loaded:
    """Let the decoder of the original, or of a rung, do its part of the reduction.

    `angle` turns the stored image upright.
    """
    reduction = sizes.reduction
    if rung is not None:
        load = from_rung(load, info, rung)
        reduction *= load.width / info.width
    scaling = _SCALERS.get(load.format, _as_is)
    if load.frames == 1 and not load.thumbnail and (policy.shrink_on_load or info.vector):
        load = scaling(load, reduction, info, policy)
    size = Size(load.width, load.height).turned(angle)
    return Loaded(load, size, sizes.source.width / size.width, sizes.source.height / size.height)


def _as_is(load: Load, _reduction: float, _info: ImageInfo, _policy: Policy) -> Load:
    return load


def _jpeg(load: Load, reduction: float, info: ImageInfo, policy: Policy) -> Load:
    measured = _JPEG_SOFT if info.soft and load.rung is None else _JPEG_SHARP
    table = _JPEG_IMGPROXY if policy.shrink_table == ShrinkTable.IMGPROXY else measured
    for least, shrink in table:
        if reduction >= least:
            # libvips leaves out the last, partly filled row and column of blocks.
            width, height = max(1, load.width // shrink), max(1, load.height // shrink)
            return replace(load, shrink=shrink, width=width, height=height)
    return load


def _webp(load: Load, reduction: float, info: ImageInfo, policy: Policy) -> Load:
    if info.frames > 1:  # libvips does not scale a frame of an animation
        return load
    load = replace(load, draft=reduction >= _WEBP_DRAFT)
    if policy.shrink_table == ShrinkTable.IMGPROXY:
        scale = 1 / reduction
    else:
        scale = _WEBP_MARGIN / reduction if reduction >= _WEBP_FROM and info.pixels > HELD_PIXELS else 1.0
    if scale >= 1:
        return load
    width, height = half_even(load.width * scale), half_even(load.height * scale)
    return replace(load, scale=scale, width=max(1, width), height=max(1, height))


def _svg(load: Load, reduction: float, info: ImageInfo, _policy: Policy) -> Load:
    return load if reduction == 1 else _vector(info, load.scale / reduction)


def _vector(info: ImageInfo, scale: float) -> Load:
    width, height = max(1, half_up(info.width * scale)), max(1, half_up(info.height * scale))
    return Load(format=info.format, width=width, height=height, scale=scale)


def _embedded(load: Load, reduction: float, info: ImageInfo, policy: Policy) -> Load:
    """Take the embedded thumbnail where it is large enough, as imgproxy does; nobody knows how good it is."""
    width, height = info.thumbnail_width, info.thumbnail_height
    if policy.shrink_table != ShrinkTable.IMGPROXY or not width or not height:
        return load
    by = load.width / width, load.height / height
    if min(by) <= 1 or max(by) > reduction:
        return load
    return Load(format=load.format, width=width, height=height, thumbnail=True)


_SCALERS: dict[Format, Callable[[Load, float, ImageInfo, Policy], Load]] = {
    Format.JPEG: _jpeg,
    Format.WEBP: _webp,
    Format.SVG: _svg,
    Format.HEIC: _embedded,
    Format.AVIF: _embedded,
}

"""WebP and AVIF: header and metadata by libvips, pixels by other builds of libwebp and libavif, which take half the time.

What is not plain goes to libvips whole: animations, images that are to be turned or put together, damage.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import imagecodecs
from msgspec.structs import replace

from tintype.core.loading import HELD_PIXELS
from tintype.core.plan import Load
from tintype.worker.codecs import libvips, libwebp
from tintype.worker.pixels import Data, Image, from_array, has, with_pixels

_PAGES = "n-pages"  # of the header: of an animation, even if it has one frame

# Of ISO 23008-12 and ISO 14496-12: what libheif does to pixels and libavif leaves to its caller, or what may be taken for
# another image of the file. Found in the boxes by chance, say in a profile, it costs time only.
_NOT_PLAIN = (b"irot", b"imir", b"clap", b"grid", b"iovl", b"iden", b"tmap", b"prem")
_BRAND = b"ftypavif"


def webp(data: Data, plan: Load) -> Image:
    """Return what is to be scaled in its own size: scaling while decoding takes libwebp as long as not to."""
    image = libvips.load(data, replace(plan, scale=1.0))
    too_large = plan.scale < 1 and image.width * image.height > HELD_PIXELS
    if too_large or has(image, _PAGES):
        return libvips.load(data, plan)
    shape = (image.height, image.width, image.bands)
    return _decoded(image, lambda: libwebp.decoded(data, shape, draft=plan.draft)) or libvips.load(data, plan)


def avif(data: Data, plan: Load) -> Image:
    image = libvips.load(data, plan)
    if plan.thumbnail or image.format != "uchar" or not _plain(data):
        return image
    return _decoded(image, lambda: imagecodecs.avif_decode(_buffer(data), index=0, numthreads=1)) or image


def _decoded(image: Image, decode: Callable[[], Any]) -> Image | None:
    """Return the image with pixels from elsewhere; None where they cannot be had, or are not what its header says."""
    try:
        pixels = decode()
    except (ValueError, RuntimeError, MemoryError):
        return None
    if pixels is None or pixels.dtype != "uint8" or pixels.shape != (image.height, image.width, image.bands):
        return None
    return with_pixels(image, from_array(pixels, image.interpretation))


def _buffer(data: Data) -> Any:
    """Return what imagecodecs takes, though it does not say so: nothing is copied."""
    return data


def _plain(data: Data) -> bool:
    """Tell whether the file is a still AVIF whose item is shown as it is coded."""
    if bytes(data[4:12]) != _BRAND:
        return False
    metas = [body for kind, body in _boxes(data) if kind in (b"meta", b"moov")]
    return len(metas) == 1 and not any(kind in bytes(metas[0]) for kind in _NOT_PLAIN)


def _boxes(data: Data) -> Iterator[tuple[bytes, Data]]:
    """Yield the type and content of each box of the file (ISO 14496-12, 4.2), up to one that makes no sense."""
    at = 0
    while at + 16 <= len(data):
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        end = at + size if size else len(data)
        if not at + head <= end <= len(data):
            return
        yield bytes(data[at + 4 : at + 8]), data[at + head : end]
        at = end

"""What a source is, from its header: size, frames, depth, orientation, profile. No pixel is decoded."""

from __future__ import annotations

from tintype.core.errors import BrokenImage, ImageTooLarge
from tintype.core.formats import FACTS, Format
from tintype.core.info import ImageInfo
from tintype.worker import codecs
from tintype.worker.pixels import BytesLike


def probe(format: Format, data: BytesLike, source_pixels: int) -> ImageInfo:
    """Return header facts.

    Args:
        format: as sniffed; its own loader is asked and no other.
        data: the whole source.
        source_pixels: the most pixels one frame may have; 0 = no bound. Vectors have no pixels yet.

    Raises:
        ImageTooLarge: more pixels than that.
        UnsupportedImage, BrokenImage: the header cannot be used; says why.
    """
    info = codecs.info(format, memoryview(data))
    if info.width < 1 or info.height < 1:
        raise BrokenImage(f"{format.value}: the header says {info.width} x {info.height}, which is no size")
    if source_pixels and info.pixels > source_pixels and not FACTS[format].vector:
        raise ImageTooLarge(
            f"{format.value}: {info.width} x {info.height} is {info.pixels} pixels, and {source_pixels} are allowed"
        )
    return info

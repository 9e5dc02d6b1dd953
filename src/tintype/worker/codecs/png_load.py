"""PNG: header and metadata by libvips, pixels by kornia-rs (the png crate of Rust), which takes two thirds of the time.

The pixels are the same to the last bit. Whatever is not plain goes to libvips whole: palettes, other depths than 8 bits,
gray with alpha, a colour that stands for transparency, interlacing, animations, damage, sizes that are better streamed
than held. Of damage, only a wrong checksum of all the pixels, where that of each chunk is right, is not looked at: libvips
leaves the last row out for it. Chunks: PNG 3rd edition (W3C), 5.
"""

from __future__ import annotations

import struct

from kornia_rs import io as kornia

from tintype.core.loading import HELD_PIXELS
from tintype.core.plan import Load
from tintype.worker.codecs import libvips
from tintype.worker.pixels import Data, Image, from_array, with_pixels

# By bands: the colour type of the header, and what kornia calls it. A palette, or a colour that stands for transparency,
# leaves libvips with more bands than its type has.
_PLAIN = {1: (0, "mono"), 3: (2, "rgb"), 4: (6, "rgba")}
_HEADER = struct.Struct(">IIBBBBB")  # width, height, bits, colour type, compression, filter, interlacing
_CHUNK = struct.Struct(">I4s")
_SIGNATURE_BYTES, _FRAME_BYTES = 8, 12  # what a chunk has besides its content: length, kind, checksum
_MOST_CHUNKS = 1000  # before the pixels; programs write about ten


def load(data: Data, plan: Load) -> Image:
    image = libvips.load(data, plan)
    if image.format != "uchar" or image.width * image.height > HELD_PIXELS or not _plain(image, data):
        return image
    try:
        pixels = kornia.decode_image_png_u8(bytes(data), (image.height, image.width), _PLAIN[image.bands][1])
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException:  # noqa: BLE001 - damage, of which libvips decides what is shown; lack of memory is a panic of Rust
        return image
    return with_pixels(image, from_array(pixels, image.interpretation))


def _plain(image: Image, data: Data) -> bool:
    """Tell whether the pixels are stored as they are shown, and are those of the one image of the file."""
    if image.bands not in _PLAIN:
        return False
    header = _HEADER.pack(image.width, image.height, 8, _PLAIN[image.bands][0], 0, 0, 0)
    begin = _SIGNATURE_BYTES + _CHUNK.size
    return bytes(data[begin : begin + len(header)]) == header and not _animated(data)


def _animated(data: Data) -> bool:
    """Tell whether there is a frame, or more than can be looked at, before the pixels: a frame may be a part of the image."""
    at = _SIGNATURE_BYTES
    for _ in range(_MOST_CHUNKS):
        if at + _CHUNK.size > len(data):
            return False
        size, kind = _CHUNK.unpack_from(data, at)
        if kind in (b"IDAT", b"acTL", b"fcTL"):
            return bool(kind != b"IDAT")
        at += _FRAME_BYTES + size
    return True

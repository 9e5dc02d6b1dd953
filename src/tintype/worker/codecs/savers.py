"""How results are written: one function for each format, with the options that make imgproxy's users' files."""

from __future__ import annotations

from collections.abc import Callable

from tintype.core.formats import Format
from tintype.core.plan import FAST, Save
from tintype.worker import colour
from tintype.worker.codecs import bmp, ico, jxl
from tintype.worker.pixels import Image, number

# Of PNG in icons; level 6 takes 1.7 times as long on photos and saves 1.3 %.
_DEFLATE_LEVEL = 4

Saver = Callable[[Image, Save, int], bytes]


# Of 1 to 10; libvips' own 7 takes three times as long for 11 % fewer bytes (3 MP photo).
_GIF_EFFORT = 4


def jpeg(image: Image, save: Save, quality: int) -> bytes:
    # Huffman tables of its own make a photo 2 % smaller and take half of the time at quality 92.
    own_tables = save.effort > FAST
    return bytes(image.jpegsave_buffer(Q=_q(quality), optimize_coding=own_tables, interlace=save.progressive))


def png(image: Image, save: Save, _quality: int) -> bytes:
    """Write a palette where it is asked for or the source had one, true colour otherwise."""
    colors = save.colors if save.palette else _source_colors(image)
    if not colors:
        return bytes(image.pngsave_buffer(interlace=save.progressive, filter="all", compression=save.effort))
    return bytes(image.pngsave_buffer(interlace=save.progressive, filter="none", palette=True, bitdepth=_depth(colors)))


def _source_colors(image: Image) -> int:
    """Return the size of the palette that the source was stored with, 0 for none."""
    bits = number(image, "bits-per-sample", 8) if number(image, "palette", 0) else 0
    return 1 << bits if 0 < bits <= 8 else 0


def _depth(colors: int) -> int:
    """Return the bits of an index into a palette of so many colours; PNG has 1, 2, 4 and 8."""
    return next(bits for bits in (1, 2, 4, 8) if colors <= 1 << bits or bits == 8)


def webp(image: Image, save: Save, quality: int) -> bytes:
    return bytes(image.webpsave_buffer(Q=_q(quality), effort=save.effort, preset=save.preset))


def avif(image: Image, save: Save, quality: int) -> bytes:
    return bytes(image.heifsave_buffer(Q=_q(quality), compression="av1", effort=save.effort, tune="ssim"))


def gif(image: Image, _save: Save, _quality: int) -> bytes:
    depth = (_source_colors(image) or 256).bit_length() - 1
    return bytes(image.gifsave_buffer(bitdepth=depth, effort=_GIF_EFFORT))


def tiff(image: Image, _save: Save, quality: int) -> bytes:
    return bytes(image.tiffsave_buffer(Q=_q(quality)))


def icon(image: Image, _save: Save, _quality: int) -> bytes:
    """Write true colour: readers of icons do not look for a palette's alpha."""
    return ico.save(bytes(image.pngsave_buffer(compression=_DEFLATE_LEVEL)), image.width, image.height)


def bitmap(image: Image, save: Save, quality: int) -> bytes:
    """Write gray as it is; gray with alpha has no form of its own."""
    return bmp.save(colour.paintable(image) if image.bands == 2 else image, save, quality)


def _q(quality: int) -> int:
    return max(1, min(100, quality))


SAVERS: dict[Format, Saver] = {
    Format.JPEG: jpeg,
    Format.PNG: png,
    Format.WEBP: webp,
    Format.AVIF: avif,
    Format.GIF: gif,
    Format.TIFF: tiff,
    Format.BMP: bitmap,
    Format.ICO: icon,
    Format.JXL: jxl.save,
}

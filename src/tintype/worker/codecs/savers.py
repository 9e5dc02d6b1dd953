"""How results are written: one function for each format, and the encoders' settings in one table.

The figures behind it: docs/performance.md, Encoders (`python -m bench.encoders`); what was weighed: docs/decisions/0017.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from tintype.core.formats import Format
from tintype.core.plan import FAST, Save
from tintype.core.policy import Encoders
from tintype.worker import colour
from tintype.worker.codecs import bmp, ico, jpeg_save, jxl, plain
from tintype.worker.codecs import png as own_png
from tintype.worker.pixels import Image, number

Saver = Callable[[Image, Save, int], bytes]


class Settings(NamedTuple):
    """What the encoders of one kind are told where neither the URL nor the policy says anything.

    Attributes:
        jpeg_table: which of mozjpeg's quantisation tables libvips takes, below a quality of 90; 0 is the standard's.
        avif: of libvips' heifsave, besides quality and effort.
        ours: formats that libvips writes only what is left of, as `plain` takes most: JPEG with jpegli's tables, AVIF with
            all of the colour and libaom's tuning for still images.
        exif: whether PNG and WebP of `plain` have the EXIF block that libvips puts into every file.
    """

    jpeg_table: int
    avif: dict[str, Any]
    ours: frozenset[Format]
    exif: bool


_SPEEDS = 9  # libaom's speed at effort 0
_JPEG_TABLE_BELOW = 90  # quality; from there on libvips also keeps all of the colour (4:4:4)
_QUICK = frozenset({Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF})
_SETTINGS = {
    Encoders.MEASURED: Settings(jpeg_table=3, avif={"tune": "iq", "subsample_mode": "off"}, ours=_QUICK, exif=False),
    Encoders.IMGPROXY: Settings(
        jpeg_table=0, avif={"tune": "ssim"}, ours=frozenset({Format.PNG, Format.WEBP}), exif=True
    ),
}
_PNG_LEVEL = 5  # of libdeflate: makes no more bytes of a drawing than libpng's level 6 with every filter
_ICON_LEVEL = 4  # of PNG in icons; level 6 takes 1.7 times as long on photos and saves 1.3 %
_GIF_EFFORT = 4  # of 1 to 10; libvips' own 7 takes three times as long for 11 % fewer bytes (3 MP photo)


def jpeg(image: Image, save: Save, quality: int) -> bytes:
    # Huffman tables of its own make a photo 2 % smaller and take half of the time at quality 92.
    own_huffman = save.effort > FAST
    # What is left of alpha libvips lays on black.
    pixels = plain.held(image) if _is_ours(save) and not image.hasalpha() else None
    if pixels is not None:
        body = jpeg_save.save(pixels, _q(quality), own_huffman=own_huffman, progressive=save.progressive)
        return body if plain.is_silent(image) else jpeg_save.told(body, image)
    table = _SETTINGS[save.encoders].jpeg_table if quality < _JPEG_TABLE_BELOW else 0
    return bytes(
        image.jpegsave_buffer(Q=_q(quality), optimize_coding=own_huffman, interlace=save.progressive, quant_table=table)
    )


def png(image: Image, save: Save, _quality: int) -> bytes:
    """Write a palette where it is asked for or the source had one, true colour otherwise."""
    colors = save.colors if save.palette else _source_colors(image)
    if colors:
        depth = _depth(colors)
        return bytes(image.pngsave_buffer(interlace=save.progressive, filter="none", palette=True, bitdepth=depth))
    pixels = None if save.progressive else _plain(image, save)
    if pixels is None:
        return bytes(image.pngsave_buffer(interlace=save.progressive, filter="all", compression=save.effort))
    body = own_png.save(pixels, FAST if save.effort == FAST else _PNG_LEVEL)
    return plain.told(body, image) if _SETTINGS[save.encoders].exif else body


def _source_colors(image: Image) -> int:
    """Return the size of the palette that the source was stored with, 0 for none."""
    bits = number(image, "bits-per-sample", 8) if number(image, "palette", 0) else 0
    return 1 << bits if 0 < bits <= 8 else 0


def _depth(colors: int) -> int:
    """Return the bits of an index into a palette of so many colours; PNG has 1, 2, 4 and 8."""
    return next(bits for bits in (1, 2, 4, 8) if colors <= 1 << bits or bits == 8)


def webp(image: Image, save: Save, quality: int) -> bytes:
    pixels = _plain(image, save) if save.preset == "default" else None
    if pixels is not None:
        exif = plain.exif(image) if _SETTINGS[save.encoders].exif else b""
        return plain.webp(pixels, _q(quality), save.effort, exif)
    return bytes(image.webpsave_buffer(Q=_q(quality), effort=save.effort, preset=save.preset))


def avif(image: Image, save: Save, quality: int) -> bytes:
    pixels = _plain(image, save)
    if pixels is not None:
        return plain.avif(pixels, _q(quality), _SPEEDS - save.effort)
    settings = _SETTINGS[save.encoders].avif
    return bytes(image.heifsave_buffer(Q=_q(quality), compression="av1", effort=save.effort, **settings))


def gif(image: Image, _save: Save, _quality: int) -> bytes:
    depth = (_source_colors(image) or 256).bit_length() - 1
    return bytes(image.gifsave_buffer(bitdepth=depth, effort=_GIF_EFFORT))


def tiff(image: Image, _save: Save, quality: int) -> bytes:
    return bytes(image.tiffsave_buffer(Q=_q(quality)))


def icon(image: Image, _save: Save, _quality: int) -> bytes:
    """Write true colour: readers of icons do not look for a palette's alpha."""
    return ico.save(bytes(image.pngsave_buffer(compression=_ICON_LEVEL)), image.width, image.height)


def bitmap(image: Image, save: Save, quality: int) -> bytes:
    """Write gray as it is; gray with alpha has no form of its own."""
    return bmp.save(colour.paintable(image) if image.bands == 2 else image, save, quality)


def _plain(image: Image, save: Save) -> plain.Pixels | None:
    return plain.plain(image) if _is_ours(save) else None


def _is_ours(save: Save) -> bool:
    return save.format in _SETTINGS[save.encoders].ours


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

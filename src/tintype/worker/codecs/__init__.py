"""Bytes to images and back: the only package that names a codec. Every format has one way in and one way out."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from tintype.core.errors import BrokenImage, UnsupportedImage, UnsupportedOutput
from tintype.core.formats import FACTS, Format
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Save
from tintype.worker.alpha import premultiplied
from tintype.worker.codecs import bmp, heic, ico, jpeg, jxl, libvips, png_load, tiff, vector, whole
from tintype.worker.codecs.guard import Report, lock_down, prove
from tintype.worker.codecs.savers import SAVERS
from tintype.worker.pixels import Data, Image
from tintype.worker.refusals import refusing
from tintype.worker.stored import resized

__all__ = ["Report", "encode", "info", "load", "lock_down", "prove"]

_NATIVE = (Format.JPEG, Format.PNG, Format.GIF, Format.WEBP, Format.AVIF)

_INFO: dict[Format, Callable[[Data], ImageInfo]] = {
    **{kind: partial(libvips.info, kind) for kind in _NATIVE},
    Format.SVG: vector.info,
    Format.TIFF: tiff.info,
    Format.BMP: bmp.info,
    Format.ICO: ico.info,
    Format.HEIC: heic.info,
    Format.JXL: jxl.info,
}
_LOAD: dict[Format, Callable[[Data, Load], Image]] = {
    **dict.fromkeys(_NATIVE, libvips.load),
    Format.JPEG: jpeg.load,
    Format.PNG: png_load.load,
    Format.WEBP: whole.webp,
    Format.AVIF: whole.avif,
    Format.SVG: vector.load,
    Format.TIFF: tiff.load,
    Format.BMP: bmp.load,
    Format.ICO: ico.load,
    Format.HEIC: heic.load,
    Format.JXL: jxl.load,
}
# Decoders round scaled sizes in their own ways; more than this many pixels is not rounding.
_ROUNDING = 2


def info(format: Format, data: Data) -> ImageInfo:
    """Return header facts.

    Raises:
        UnsupportedImage, BrokenImage, ImageTooLarge.
    """
    if format not in _INFO:
        raise UnsupportedImage(f"{format.value} images are not supported")
    with refusing(format.value):
        return _INFO[format](data)


def load(data: Data, plan: Load) -> Image:
    """Open an image as planned; pixels may be decoded later. Raises as `info`."""
    if plan.format not in _LOAD:
        raise UnsupportedImage(f"{plan.format.value} images are not supported")
    with refusing(plan.format.value):
        return _fitted(_LOAD[plan.format](data, plan), plan)


def encode(image: Image, save: Save, quality: int) -> bytes:
    """Write an image.

    Raises:
        UnsupportedOutput: the encoder refused; ImageError: decoding failed on the way.
    """
    if save.format not in SAVERS:
        raise UnsupportedOutput(f"{save.format.value} cannot be written; ask for another format")
    with refusing(f"to {save.format.value}"):
        return SAVERS[save.format](image, save, quality)


def _fitted(image: Image, plan: Load) -> Image:
    """Return the image in exactly the planned size, which later boxes refer to."""
    width, height = plan.width, plan.height * plan.frames
    if (image.width, image.height) == (width, height):
        return image
    near = abs(image.width - width) <= _ROUNDING and abs(image.height - height) <= _ROUNDING
    # A vector's own size need not be whole; a frame of an animation is not scaled by its decoder.
    elsewise = FACTS[plan.format].vector or (plan.scale < 1 and image.width > width and image.height > height)
    if plan.frames == 1 and (near or elsewise):
        return premultiplied(image, lambda pixels: resized(pixels, width / image.width, height / image.height))
    raise BrokenImage(
        f"{plan.format.value}: the header says {width} x {height}, the pixels are {image.width} x {image.height}"
    )

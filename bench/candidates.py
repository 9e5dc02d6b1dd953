"""The settings that encoders are weighed at. The first of each format are what the two profiles write, by their own code."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import imagecodecs
import numpy as np
import numpy.typing as npt
import pyvips
import simplejpeg
from PIL import Image as Pillow

from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.negotiate import save_as
from tintype.core.pipeline import Output
from tintype.core.policy import Encoders, Policy
from tintype.worker import codecs
from tintype.worker.codecs import png

IMGPROXY = Policy(encoders=Encoders.IMGPROXY, webp_effort=4, avif_speed=8)
QUALITY = {kind: dict(Policy().format_quality).get(kind, Policy().quality) for kind in Format}

Encode = Callable[[pyvips.Image], bytes]
Array = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Candidate:
    name: str
    encode: Encode
    alpha: bool = True


def array(image: pyvips.Image) -> Array:
    return np.frombuffer(image.write_to_memory(), np.uint8).reshape(image.height, image.width, image.bands)


def profiles(kind: Format, *, alpha: bool = True) -> tuple[Candidate, ...]:
    """Return what a node writes at its defaults, and at imgproxy's."""

    def by(policy: Policy) -> Encode:
        save = save_as(kind, Output(), ImageInfo(format=Format.PNG, width=1, height=1), policy, animated=False)
        return lambda image: codecs.encode(image, save, save.quality)

    return Candidate("tintype", by(Policy()), alpha), Candidate("tintype, profile imgproxy", by(IMGPROXY), alpha)


def vips(kind: Format, name: str, *, alpha: bool = True, **options: Any) -> Candidate:
    saver = {Format.AVIF: "heifsave_buffer"}.get(kind, f"{kind.value}save_buffer")
    quality = {"Q": QUALITY[kind]} if kind in (Format.JPEG, Format.WEBP, Format.AVIF) else {}
    return Candidate(f"libvips, {name}", lambda image: bytes(getattr(image, saver)(**{**quality, **options})), alpha)


def pillow(kind: Format, name: str, *, alpha: bool = True, **options: Any) -> Candidate:
    def encode(image: pyvips.Image) -> bytes:
        file = io.BytesIO()
        Pillow.fromarray(array(image)).save(file, kind.value, **options)
        return file.getvalue()

    return Candidate(f"Pillow, {name}", encode, alpha)


def opencv_png(level: int) -> Candidate:
    def encode(image: pyvips.Image) -> bytes:
        turned = cv2.cvtColor(array(image), cv2.COLOR_RGBA2BGRA if image.bands == 4 else cv2.COLOR_RGB2BGR)
        return cv2.imencode(".png", turned, (cv2.IMWRITE_PNG_COMPRESSION, level))[1].tobytes()

    return Candidate(f"OpenCV, level {level}", encode)


def ours_png(level: int) -> Candidate:
    return Candidate(f"ours, libdeflate {level}", lambda image: png.save(array(image), level))


def spng(level: int) -> Candidate:
    return Candidate(f"spng, level {level}", lambda image: bytes(imagecodecs.spng_encode(array(image), level=level)))


def simple(name: str, chroma: str) -> Candidate:
    return Candidate(
        f"simplejpeg, {name}", lambda image: bytes(simplejpeg.encode_jpeg(array(image), 80, "RGB", chroma)), alpha=False
    )


def _jpeg() -> tuple[Candidate, ...]:
    kind = Format.JPEG
    table: dict[str, Any] = {"optimize_coding": True}
    return (
        *profiles(kind, alpha=False),
        vips(kind, "standard Huffman tables", alpha=False),
        *(vips(kind, f"quantisation table {n}", alpha=False, quant_table=n, **table) for n in (2, 3, 4, 5, 6)),
        vips(kind, "table 3, progressive", alpha=False, quant_table=3, interlace=True, **table),
        vips(kind, "table 3, trellis", alpha=False, quant_table=3, trellis_quant=True, **table),
        vips(kind, "table 3, 4:4:4, Q 72", alpha=False, quant_table=3, subsample_mode="off", Q=72, **table),
        simple("4:2:0", "420"),
        simple("4:4:4", "444"),
        pillow(kind, "own Huffman tables", alpha=False, quality=80, optimize=True),
    )


def _webp() -> tuple[Candidate, ...]:
    kind = Format.WEBP
    return (
        *profiles(kind),
        # alpha of the highest efforts takes seconds
        *(vips(kind, f"effort {effort}", effort=effort, alpha=effort < 5) for effort in range(7)),
        vips(kind, "effort 2, smart subsampling", effort=2, smart_subsample=True),
        vips(kind, "effort 2, preset photo", effort=2, preset="photo"),
        *(pillow(kind, f"effort {effort}", quality=79, method=effort) for effort in (0, 1, 4)),
    )


def _avif() -> tuple[Candidate, ...]:
    kind = Format.AVIF
    shades: dict[str, Any] = {"compression": "av1"}
    return (
        *profiles(kind),
        vips(kind, "speed 9, tune ssim", effort=0, tune="ssim", **shades),
        vips(kind, "speed 9, tune iq", effort=0, tune="iq", **shades),
        vips(kind, "speed 9, tune iq, 4:4:4", effort=0, tune="iq", subsample_mode="off", **shades),
        vips(kind, "speed 8, tune iq", effort=1, tune="iq", **shades),
        vips(kind, "speed 8, tune iq, 4:4:4", effort=1, tune="iq", subsample_mode="off", **shades),
        vips(kind, "speed 6, tune ssim", effort=3, tune="ssim", **shades),
        pillow(kind, "speed 9, 4:2:0", quality=63, speed=9, max_threads=1),
        pillow(kind, "speed 8, 4:2:0", quality=63, speed=8, max_threads=1),
        pillow(kind, "speed 8, 4:4:4", quality=63, speed=8, max_threads=1, subsampling="4:4:4"),
    )


def _png() -> tuple[Candidate, ...]:
    kind = Format.PNG
    return (
        profiles(kind)[0],
        vips(kind, "level 6, every filter (imgproxy)", compression=6, filter="all"),
        vips(kind, "level 4, every filter", compression=4, filter="all"),
        vips(kind, "level 1, every filter", compression=1, filter="all"),
        *(
            vips(kind, f"level 4, filter {name}", compression=4, filter=name)
            for name in ("none", "sub", "avg", "paeth")
        ),
        *(ours_png(n) for n in (1, 2, 4, 6, 8)),
        *(spng(n) for n in (1, 4)),
        opencv_png(1),
        opencv_png(4),
        pillow(kind, "level 4", compress_level=4),
        vips(kind, "palette of 256 (only if asked for)", palette=True, filter="none"),
    )


def _gif() -> tuple[Candidate, ...]:
    return (profiles(Format.GIF)[0], *(vips(Format.GIF, f"effort {n}", effort=n) for n in (1, 7)))


CANDIDATES: dict[Format, tuple[Candidate, ...]] = {
    Format.JPEG: _jpeg(),
    Format.WEBP: _webp(),
    Format.AVIF: _avif(),
    Format.PNG: _png(),
    Format.GIF: _gif(),
}

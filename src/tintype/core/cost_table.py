"""Measured service times behind `Plan.cost`. Plain data; bench/cost_table.py writes it, so changes by hand do not last.

Milliseconds of CPU time on the reference core, single-threaded. MP = one million pixels of one frame.
"""

from __future__ import annotations

from typing import NamedTuple

from tintype.core.formats import Format


class Decode(NamedTuple):
    """One decoder: a fixed part, then for each MP stored in the file, then for each MP it hands over.

    A decoder that is not `streaming` holds the whole frame.
    """

    fixed_ms: float
    stored_ms: float
    made_ms: float = 0.0
    streaming: bool = False


class Work(NamedTuple):
    """One kind of step or conversion: a fixed part, then for each MP it reads and each MP it makes.

    `whole`: it needs all of the image it reads in memory.
    """

    fixed_ms: float = 0.0
    read_ms: float = 0.0
    made_ms: float = 0.0
    whole: bool = False


class Encode(NamedTuple):
    """One encoder: a fixed part, then for each MP; at an effort that `effort_ms` lists, for each MP at that effort."""

    fixed_ms: float
    ms: float
    effort_ms: tuple[tuple[int, float], ...] = ()


DECODE: dict[Format, Decode] = {
    Format.JPEG: Decode(1.3, 2.3, 4.2, streaming=True),
    Format.PNG: Decode(1.1, 0.0, 11.1, streaming=True),
    Format.GIF: Decode(0.44, 0.0, 7.0),
    Format.WEBP: Decode(2.0, 9.2, 6.4),
    Format.AVIF: Decode(3.4, 0.0, 11.8),
    Format.HEIC: Decode(3.0, 0.0, 40.0),
    Format.TIFF: Decode(0.39, 0.0, 1.2, streaming=True),
    Format.SVG: Decode(16.7, 0.0, 92.1),
    Format.BMP: Decode(0.38, 0.0, 3.9),
    Format.ICO: Decode(1.1, 0.0, 22.1),
    Format.JXL: Decode(0.96, 0.0, 17.7),
}

STEPS: dict[str, Work] = {
    "ToWorking": Work(),
    "TrimBorder": Work(read_ms=163.0, whole=True),
    "CropBox": Work(),
    "SmartCrop": Work(read_ms=3.0, whole=True),
    "Scale": Work(read_ms=2.7, made_ms=9.3),
    "Average": Work(read_ms=2.4),
    "Turn": Work(read_ms=6.5, whole=True),
    "Mirror": Work(read_ms=3.7, whole=True),
    "BlurStep": Work(read_ms=4.1, whole=True),
    "SharpenStep": Work(read_ms=77.4, whole=True),
    "PixelateStep": Work(read_ms=3.8, whole=True),
    "Canvas": Work(made_ms=2.0),
    "Flatten": Work(read_ms=5.9),
    "Overlay": Work(fixed_ms=9.7, read_ms=5.8, whole=True),
}

# What the pixels themselves add, for each MP that is brought to working space or scaled.
CMYK = Work(fixed_ms=39.5, read_ms=34.6)
PROFILE = Work(fixed_ms=5.0, made_ms=10.0)  # transformed after scaling
LINEAR_SCALE = Work(read_ms=4.6, made_ms=17.8)
ALPHA_SCALE = Work(read_ms=3.8, made_ms=28.1)

ENCODE: dict[Format, Encode] = {
    Format.JPEG: Encode(0.8, 7.1),
    Format.PNG: Encode(1.4, 72.6),
    Format.GIF: Encode(12.5, 622.0),
    Format.WEBP: Encode(2.3, 83.3, ((0, 30.0), (1, 32.6), (2, 42.3), (3, 87.0), (4, 87.6), (5, 96.4), (6, 181.0))),
    Format.AVIF: Encode(9.5, 144.0, ((0, 44.8), (1, 199.0), (2, 314.0), (3, 444.0), (4, 2350.0))),
    Format.TIFF: Encode(1.1, 1.6),
    Format.BMP: Encode(0.28, 10.1),
    Format.ICO: Encode(1.7, 49.6),
    Format.JXL: Encode(1.0, 27.4, ((1, 33.1), (3, 34.7), (4, 45.7), (7, 398.0))),
}
PALETTE_MS = 1410.0  # a PNG with a palette of its own, for each MP

# What every image costs besides: messages, descriptors, start of a pipeline.
FIXED_MS = 1.0
# Memory of a worker for one image besides pixels, and for a streaming pipeline the rows it holds.
FIXED_BYTES = 8_000_000
STREAM_ROWS = 256

# A JPEG of several scans besides, whatever is made of it: all are read, and the coefficients of the whole image held, two
# bytes for each of up to three components of a pixel. Measured on 8 MP at 1/8, 1/2 and 1/1: 12 to 15 ms for each MP stored.
PROGRESSIVE_MS = 12.0
PROGRESSIVE_BYTES = 6

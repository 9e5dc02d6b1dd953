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
    Format.JPEG: Decode(0.5, 3.4, 3.1, streaming=True),
    Format.PNG: Decode(0.4, 0.0, 12.3, streaming=True),
    Format.GIF: Decode(0.5, 0.0, 7.8),
    Format.WEBP: Decode(0.5, 10.4, 8.1),
    Format.AVIF: Decode(2.0, 0.0, 54.0),
    Format.HEIC: Decode(3.0, 0.0, 40.0),
    Format.TIFF: Decode(0.5, 0.0, 9.8, streaming=True),
    Format.SVG: Decode(5.0, 0.0, 9.0),
    Format.BMP: Decode(0.5, 0.0, 1.2),
    Format.ICO: Decode(0.5, 0.0, 5.0),
    Format.JXL: Decode(1.0, 0.0, 20.0),
}

STEPS: dict[str, Work] = {
    "ToWorking": Work(),
    "TrimBorder": Work(read_ms=180.0, whole=True),
    "CropBox": Work(),
    "SmartCrop": Work(read_ms=9.5, whole=True),
    "Scale": Work(read_ms=2.7, made_ms=7.0),
    "Turn": Work(read_ms=4.3, whole=True),
    "Mirror": Work(read_ms=2.3, whole=True),
    "BlurStep": Work(read_ms=9.0, whole=True),
    "SharpenStep": Work(read_ms=72.0, whole=True),
    "PixelateStep": Work(read_ms=2.3, whole=True),
    "Canvas": Work(made_ms=1.4),
    "Flatten": Work(read_ms=5.8),
    "Overlay": Work(fixed_ms=2.0, read_ms=17.0, whole=True),
}

# What the pixels themselves add, for each MP that is brought to working space or scaled.
CMYK = Work(fixed_ms=5.0, read_ms=60.0)
PROFILE = Work(fixed_ms=1.0, made_ms=20.0)  # transformed after scaling
LINEAR_SCALE = Work(read_ms=19.0)
ALPHA_SCALE = Work(read_ms=6.0)

ENCODE: dict[Format, Encode] = {
    Format.JPEG: Encode(0.5, 11.0),
    Format.PNG: Encode(0.7, 58.0),
    Format.GIF: Encode(8.0, 1330.0),
    Format.WEBP: Encode(0.7, 100.0, ((0, 36.0), (1, 45.0), (2, 57.0), (3, 78.0), (4, 100.0), (5, 150.0), (6, 280.0))),
    Format.AVIF: Encode(2.0, 226.0, ((0, 66.0), (1, 226.0), (2, 500.0), (3, 1200.0), (4, 3100.0))),
    Format.TIFF: Encode(0.5, 2.7),
    Format.BMP: Encode(0.3, 1.1),
    Format.ICO: Encode(0.5, 60.0),
    Format.JXL: Encode(1.0, 30.0, ((1, 23.0), (3, 27.0), (4, 30.0), (7, 325.0))),
}
PALETTE_MS = 1250.0  # a PNG with a palette of its own, for each MP

# What every image costs besides: messages, descriptors, start of a pipeline.
FIXED_MS = 1.0
# Memory of a worker for one image besides pixels, and for a streaming pipeline the rows it holds.
FIXED_BYTES = 8_000_000
STREAM_ROWS = 256

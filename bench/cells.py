"""What is asked of every side: cells of source and result, their sources, and copies of these that no cache has seen.

12 MP sources are camera files as they are; 2 K ones (2048 px wide) are made from the photos, once, into the user's cache
folder. A copy differs from its photo in a comment alone: same work, other bytes, so that no digest, no rung and no result
of an earlier request can answer it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips

from bench.photos import photos

CACHE = Path(os.environ.get("TINTYPE_BENCH_CACHE", Path.home() / ".cache" / "tintype-bench"))
SIDE = 512
QUALITY = {"jpg": 80, "webp": 79, "avif": 63, "png": 0}
_VERSION = 1  # of the sources; a new one makes them anew
_TWELVE_MP = range(10_000_000, 13_500_000)


@dataclass(frozen=True)
class Want:
    """A variant: format, side in px of the square that it fits into, quality (0: the format has none)."""

    format: str
    side: int = SIDE
    quality: int = 0

    @classmethod
    def of(cls, format: str, side: int = SIDE) -> Want:
        return cls(format, side, QUALITY[format])


@dataclass(frozen=True)
class Cell:
    """A row of the comparison: from which sources, what."""

    name: str
    title: str
    source: str
    want: Want


CELLS = {
    cell.name: cell
    for cell in (
        Cell("jpeg12", "12 MP JPEG → JPEG", "jpeg12", Want.of("jpg")),
        Cell("jpeg2k", "2 K JPEG → JPEG", "jpeg2k", Want.of("jpg")),
        Cell("webp", "2 K JPEG → WebP", "jpeg2k", Want.of("webp")),
        Cell("avif", "2 K JPEG → AVIF", "jpeg2k", Want.of("avif")),
        Cell("png2k", "2 K PNG → PNG", "png2k", Want.of("png")),
        Cell("alpha2k", "2 K PNG with alpha → PNG", "alpha2k", Want.of("png")),
        Cell("webp2k", "2 K WebP → WebP", "webp2k", Want.of("webp")),
        Cell("avif2k", "2 K AVIF → AVIF", "avif2k", Want.of("avif")),
    )
}

# Suffix, and options of libvips' saver. PNG with a filter chosen for each row, as libpng, Pillow, browsers and editors write
# photos; libvips by itself would write none, which makes files of photos 1.6 times as large.
SAVERS: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg1k": (".jpg", {"Q": 88}),
    "jpeg2k": (".jpg", {"Q": 90}),
    "png2k": (".png", {"compression": 6, "filter": "all"}),
    "alpha2k": (".png", {"compression": 6, "filter": "all"}),
    "webp2k": (".webp", {"Q": 90, "effort": 4}),
    "avif2k": (".avif", {"Q": 75, "effort": 3}),
}


def sources(kind: str, most: int, folder: Path = CACHE) -> list[Path]:
    """Return up to `most` source files of a kind; makes those that are not in the folder yet."""
    found = photos(folder / "made")
    if kind == "jpeg12":
        fitting = [file for file in found if _pixels(file) in _TWELVE_MP]
        return (fitting or found)[:most]
    return [_reduced(file, kind, folder) for file in found[:most]]


def _pixels(file: Path) -> int:
    image = pyvips.Image.new_from_file(str(file))
    return int(image.width * image.height)


def _reduced(photo: Path, kind: str, folder: Path) -> Path:
    suffix, options = SAVERS[kind]
    told = hashlib.sha256(f"{_VERSION} {kind} {options}".encode() + photo.read_bytes()).hexdigest()[:12]
    target = folder / "sources" / f"{kind}-{photo.stem}-{told}{suffix}"
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        width = 1024 if kind == "jpeg1k" else 2048
        image = pyvips.Image.thumbnail(str(photo), width, height=10_000_000, linear=True, export_profile="srgb")
        image = image.bandjoin(_cut_out(image.width, image.height)) if kind == "alpha2k" else image
        part = target.with_name(f".{os.getpid()}{suffix}")
        image.write_to_file(str(part), keep="none", **options)
        part.replace(target)
    return target


def _cut_out(width: int, height: int) -> pyvips.Image:
    """Return an alpha band: an ellipse that ends softly, as of a product cut out."""
    xy = pyvips.Image.xyz(width, height)
    x, y = xy[0] / width * 2 - 1, xy[1] / height * 2 - 1
    inside = (1 - (x * x + y * y)) * 1500
    return (inside > 255).ifthenelse(255, (inside < 0).ifthenelse(0, inside)).cast("uchar")


# Copies


def copies(files: Sequence[Path], folder: Path, first: int, count: int) -> Iterator[Path]:
    """Write and yield copies of the files in turn, beginning with the first file; their numbers begin with `first`."""
    bodies = {file: file.read_bytes() for file in files}
    for number, file in zip(range(first, first + count), itertools.cycle(files), strict=False):
        copy = folder / f"{number:06d}{file.suffix}"
        copy.write_bytes(distinct(bodies[file], number))
        yield copy


def distinct(body: bytes, number: int) -> bytes:
    """Return an image file with a number in it that no decoder shows."""
    text = f"tintype bench {number:012d}".encode()
    if body.startswith(b"\xff\xd8"):
        at = _after_segments(body)
        return body[:at] + b"\xff\xfe" + struct.pack(">H", len(text) + 2) + text + body[at:]
    if body.startswith(b"\x89PNG"):
        data = b"tEXtComment\0" + text
        chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
        return body[:-12] + chunk + body[-12:]
    if body.startswith(b"RIFF"):
        chunk = b"note" + struct.pack("<I", len(text)) + text + b"\0" * (len(text) % 2)
        return b"RIFF" + struct.pack("<I", len(body) - 8 + len(chunk)) + body[8:] + chunk
    if body[4:8] == b"ftyp":
        return body + struct.pack(">I", len(text) + 8) + b"free" + text
    raise ValueError(f"a file that begins with {body[:12]!r}; copies can be made of JPEG, PNG, WebP and AVIF")


def _after_segments(jpeg: bytes) -> int:
    """Return where the first segments, those of applications (EXIF, profile), end."""
    at = 2
    while jpeg[at] == 0xFF and 0xE0 <= jpeg[at + 1] <= 0xEF:
        at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    return at

"""Facts come from headers: cheap, and enough to refuse what is too large before anything is decoded."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from tests.worker.pictures import encoded, gradient, pil_bytes, translucent
from tintype.core.errors import BrokenImage, ImageTooLarge
from tintype.core.formats import LOADABLE, Format
from tintype.core.info import Space
from tintype.worker.probe import probe


def png_header(width: int, height: int) -> bytes:
    """A PNG of any size with next to no pixels in it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    )


def resized(data: bytes, at: int, form: str, *sides: int) -> bytes:
    out = bytearray(data)
    struct.pack_into(form, out, at, *sides)
    return bytes(out)


JPEG = encoded(Format.JPEG, gradient())
BOMBS = {
    Format.PNG: png_header(30_000, 30_000),
    Format.JPEG: resized(JPEG, JPEG.index(b"\xff\xc0") + 5, ">HH", 30_000, 30_000),
    Format.GIF: b"GIF89a"
    + struct.pack("<HHBBB", 30_000, 30_000, 0x80, 0, 0)
    + bytes(6)
    + struct.pack("<BHHHHB", 0x2C, 0, 0, 30_000, 30_000, 0)
    + b"\x02\x02\x4c\x01\0;",
    Format.BMP: resized(encoded(Format.BMP, gradient()), 18, "<ii", 30_000, 30_000),
    Format.TIFF: b"II*\0\x08\0\0\0"
    + struct.pack("<H", 5)
    + b"".join(
        struct.pack("<HHII", tag, 4, 1, value)
        for tag, value in ((256, 30_000), (257, 30_000), (259, 1), (262, 1), (273, 8))
    )
    + b"\0\0\0\0",
    Format.JXL: b"\xff\x0a" + (0b10 << 1 | 29_999 << 3 | 1 << 21).to_bytes(8, "little"),
}


@pytest.mark.parametrize("format", sorted(BOMBS))
def test_too_many_pixels_are_refused_from_the_header(format: Format) -> None:
    with pytest.raises(ImageTooLarge, match="50000000"):
        probe(format, BOMBS[format], 50_000_000)


def test_the_bound_itself_is_allowed() -> None:
    data = pil_bytes(gradient(), "PNG")
    assert probe(Format.PNG, data, 96 * 64).pixels == 96 * 64
    with pytest.raises(ImageTooLarge):
        probe(Format.PNG, data, 96 * 64 - 1)
    assert probe(Format.PNG, data, 0)


def test_the_known_bomb_of_the_corpus(corpus: Path) -> None:
    data = (corpus / "hostile" / "libvips__images_17000x17000.avif").read_bytes()
    with pytest.raises(ImageTooLarge, match="17000 x 17000"):
        probe(Format.AVIF, data, 50_000_000)


@pytest.mark.parametrize("format", [Format.JPEG, Format.PNG, Format.WEBP, Format.TIFF, Format.JXL])
def test_pixels_are_not_needed(format: Format) -> None:
    """Bytes from the middle on may be anything: nobody looks at them."""
    noise = np.random.default_rng(3).integers(0, 255, (200, 200, 3), dtype=np.uint8)
    data = bytearray(encoded(format, noise))
    middle = slice(len(data) // 2, len(data) // 2 + 1000)
    data[middle] = bytes(1000)
    info = probe(format, bytes(data), 0)
    assert (info.width, info.height) == (200, 200)


@pytest.mark.parametrize("orientation", range(9))
def test_orientation_is_told_and_not_applied(orientation: int) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    info = probe(Format.JPEG, pil_bytes(gradient(), "JPEG", exif=exif.tobytes()), 0)
    assert (info.orientation, info.width, info.height) == (max(1, orientation), 96, 64)


@pytest.mark.parametrize(
    ("pixels", "bands", "alpha", "space"),
    [
        (gradient(), 3, False, Space.SRGB),
        (translucent(), 4, True, Space.SRGB),
        (gradient()[:, :, 0], 1, False, Space.GRAY),
        (translucent()[:, :, [0, 3]], 2, True, Space.GRAY),
    ],
)
def test_bands_alpha_and_space(pixels: np.ndarray, bands: int, alpha: bool, space: Space) -> None:
    info = probe(Format.PNG, pil_bytes(pixels, "PNG"), 0)
    assert (info.bands, info.alpha, info.space) == (bands, alpha, space)


def test_a_still_has_one_frame() -> None:
    for kind in (Format.GIF, Format.WEBP, Format.PNG, Format.TIFF):
        assert probe(kind, encoded(kind, gradient()), 0).frames == 1


@pytest.mark.parametrize("format", sorted(LOADABLE - {Format.JPEG, Format.HEIC}))
def test_a_format_that_is_not_what_the_bytes_are(format: Format) -> None:
    with pytest.raises(BrokenImage):
        probe(format, JPEG, 0)


def test_memory_of_any_kind_is_taken() -> None:
    out = io.BytesIO(JPEG)
    assert probe(Format.JPEG, memoryview(out.getbuffer()), 0).width == 96

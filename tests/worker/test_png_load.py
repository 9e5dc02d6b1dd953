"""PNG through the fast decoder: the pixels and header of libvips, which takes over where that does not reach."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import kornia_rs
import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from tests.worker.decoders import EXIF, both, cut_out, equally_shown, picture, same, spied
from tests.worker.pictures import pil_bytes, vips
from tintype.core.formats import Format
from tintype.core.plan import Load
from tintype.worker.codecs import png_load
from tintype.worker.pixels import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tell of each fast decode whether it came to its end."""
    return spied(monkeypatch, (kornia_rs.io, "decode_image_png_u8"))


PLAN = Load(format=Format.PNG, width=1, height=1)


def alike(data: bytes) -> Image:
    ours, theirs = both(png_load.load, data, PLAN)
    same(ours, theirs)
    return ours


def shown(data: bytes, most: int = 20_000_000) -> None:
    equally_shown(png_load.load, data, PLAN, most)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    at, found = len(SIGNATURE), []
    while at < len(data):
        size, kind = struct.unpack_from(">I4s", data, at)
        found.append((kind, data[at + 8 : at + 8 + size]))
        at += 12 + size
    return found


def file(parts: list[tuple[bytes, bytes]]) -> bytes:
    return SIGNATURE + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


@pytest.mark.parametrize("filters", ["none", "sub", "up", "avg", "paeth", "all"])
@pytest.mark.parametrize(
    "pixels",
    [picture(), picture(1, 1), cut_out(), cut_out(2, 33), picture()[:, :, 0]],
    ids=lambda one: str(one.shape),
)
def test_pixels_are_those_of_libvips(pixels: Any, filters: str, decodes: list[bool]) -> None:
    alike(bytes(vips(pixels).pngsave_buffer(filter=filters)))
    assert decodes == [True]


def test_headers_are_those_of_libvips(decodes: list[bool]) -> None:
    data = pil_bytes(cut_out(), "PNG", exif=EXIF, icc_profile=b"\0" * 200, dpi=(300, 300), optimize=True)
    image = alike(data)
    assert image.get("orientation") == 6
    assert image.xres == pytest.approx(11.811, rel=1e-3)
    assert decodes == [True]


def test_gamma_changes_no_pixel(decodes: list[bool]) -> None:
    head, *rest = chunks(pil_bytes(picture(), "PNG"))
    for kind, body in ((b"gAMA", struct.pack(">I", 100_000)), (b"sBIT", b"\5\5\5"), (b"sRGB", b"\0")):
        alike(file([head, (kind, body), *rest]))
    assert decodes == [True] * 3


def special() -> dict[str, bytes]:
    """Return files that are not stored as they are shown."""
    deep = pyvips.Image.new_from_array(picture().astype(np.uint16) * 257).copy(interpretation="rgb16")
    gray = Pillow.fromarray(picture()[:, :, 0])
    out = io.BytesIO()
    Pillow.fromarray(picture()).save(out, "PNG", transparency=tuple(int(v) for v in picture()[3, 4]))
    return {
        "palette": _saved(gray.convert("P")),
        "few colours": _saved(gray.quantize(4)),
        "bits": _saved(gray.convert("1")),
        "16 bits": bytes(deep.pngsave_buffer(bitdepth=16)),
        "gray and alpha": _saved(Pillow.fromarray(cut_out()).convert("LA")),
        "transparent colour": out.getvalue(),
        "transparent gray": _saved(gray, transparency=90),
        "interlaced": bytes(vips(picture()).pngsave_buffer(interlace=True)),
        "animation": _animation(),
    }


def _saved(image: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


def _animation() -> bytes:
    frames = [Pillow.fromarray(picture()), Pillow.fromarray(picture()[::-1].copy())]
    return _saved(frames[0], save_all=True, append_images=frames[1:], duration=50)


@pytest.mark.parametrize("kind", special())
def test_what_is_not_plain_is_for_libvips(kind: str, decodes: list[bool]) -> None:
    alike(special()[kind])
    assert decodes == []


def test_a_frame_that_is_a_part_of_the_image_is_for_libvips(decodes: list[bool]) -> None:
    head, *rest = chunks(pil_bytes(picture(), "PNG"))
    animation = (b"acTL", struct.pack(">II", 1, 0))
    frame = (b"fcTL", struct.pack(">IIIIIHHBB", 0, 20, 10, 5, 5, 1, 10, 0, 0))
    shown(file([head, animation, frame, *rest]))
    shown(file([head, frame, *rest]))
    assert decodes == []


def test_many_chunks_are_not_looked_at(decodes: list[bool]) -> None:
    head, *rest = chunks(pil_bytes(picture(), "PNG"))
    shown(file([head, *[(b"teSt", b"")] * 2000, *rest]))
    assert decodes == []


def test_what_cannot_be_held_is_streamed(decodes: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(png_load, "HELD_PIXELS", 201 * 103 - 1)
    alike(pil_bytes(picture(), "PNG"))
    assert decodes == []


class Panic(BaseException):
    """What Rust raises when it has no memory for the pixels: no Exception."""


@pytest.mark.parametrize("error", [MemoryError, Panic])
def test_lack_of_memory_is_no_reason_to_fail(error: type[BaseException], monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any) -> Any:
        raise error

    monkeypatch.setattr(kornia_rs.io, "decode_image_png_u8", full)
    alike(pil_bytes(picture(), "PNG"))


def test_damage_is_shown_or_refused_as_by_libvips() -> None:
    data = pil_bytes(cut_out(), "PNG")
    head, *rest = chunks(data)
    body = b"".join(body for kind, body in rest if kind == b"IDAT")
    rows = zlib.decompress(body)
    for idat in (
        body[:-4],
        body + b"more",
        body[: len(body) // 2],
        zlib.compress(rows + rows),
        zlib.compress(rows[: len(rows) // 3]),
        zlib.compress(b"\x07" + rows[1:]),  # a filter that does not exist
        b"",
    ):
        shown(file([head, (b"IDAT", idat), (b"IEND", b"")]))
    shown(file([head, (b"IDAT", body)]))
    shown(file([head, (b"IDAT", body[:300]), (b"teSt", b"between"), (b"IDAT", body[300:]), (b"IEND", b"")]))
    shown(file([head, (b"QQQQ", b"critical"), *rest]))
    for cut in range(20, len(data), len(data) // 20):
        shown(data[:cut])


def test_a_wrong_checksum_of_the_whole_costs_no_row() -> None:
    """Each chunk has one of its own, which holds; libvips leaves the last row out."""
    pixels = cut_out()
    head, (_, body), *rest = chunks(pil_bytes(pixels, "PNG"))
    ours, theirs = both(png_load.load, file([head, (b"IDAT", body[:-4] + b"\0\0\0\0"), *rest]), PLAN)
    assert np.array_equal(ours.numpy(), pixels)
    assert np.array_equal(theirs.numpy()[:-1], pixels[:-1])


@pytest.mark.parametrize("seed", range(3))
def test_mutants_are_shown_or_refused_as_by_libvips(seed: int) -> None:
    draw = random.Random(seed)
    data = [pil_bytes(picture(40, 30), "PNG"), pil_bytes(cut_out(40, 30), "PNG"), _animation()][seed]
    for _ in range(150):
        mutant = bytearray(data)
        for _ in range(draw.randint(1, 3)):
            mutant[draw.choice((draw.randrange(len(data)), draw.randrange(8, 60)))] = draw.randrange(256)
        shown(bytes(mutant), 100_000)


def test_every_png_of_the_corpus_decodes_alike(corpus: Path) -> None:
    for path in sorted(corpus.glob("*/*.png")):
        shown(path.read_bytes())

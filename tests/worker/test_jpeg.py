"""JPEG through the fast decoder: the same pixels and header as by libvips, which takes over where it does not reach."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
import simplejpeg
from PIL import Image as Pillow

from tests.worker.decoders import EXIF, both, picture, same, spied
from tests.worker.pictures import pil_bytes
from tintype.core.formats import Format
from tintype.core.plan import Load
from tintype.worker import codecs
from tintype.worker.codecs import jpeg
from tintype.worker.pixels import Image


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tell of each fast decode whether it came to its end."""
    return spied(monkeypatch, (simplejpeg, "decode_jpeg"))


def pair(data: bytes, shrink: int) -> tuple[Image, Image]:
    info = codecs.info(Format.JPEG, memoryview(data))
    width, height = max(1, info.width // shrink), max(1, info.height // shrink)
    return both(jpeg.load, data, Load(format=Format.JPEG, shrink=shrink, width=width, height=height))


@pytest.mark.parametrize("shrink", [1, 2, 4])
@pytest.mark.parametrize("options", [{"subsampling": 0}, {"subsampling": 1}, {"subsampling": 2}, {"progressive": True}])
@pytest.mark.parametrize("gray", [False, True])
def test_pixels_and_header_are_those_of_libvips(
    shrink: int, options: dict[str, Any], gray: bool, decodes: list[bool]
) -> None:
    pixels = picture(401, 303)[:, :, 0] if gray else picture(401, 303)
    data = pil_bytes(pixels, "JPEG", quality=90, exif=EXIF, dpi=(300, 300), **options)
    ours, theirs = pair(data, shrink)
    assert decodes == [True]
    assert ours.get("orientation") == 6
    same(ours, theirs)


@pytest.mark.parametrize("side", [64, 65, 71, 72, 127, 128, 129])
@pytest.mark.parametrize("shrink", [2, 4, 8])
def test_sizes_are_those_that_were_planned(side: int, shrink: int) -> None:
    same(*pair(pil_bytes(picture(side, 8 * side + 1), "JPEG"), shrink))


def test_inks_are_not_for_the_fast_decoder(decodes: list[bool]) -> None:
    out = io.BytesIO()
    Pillow.fromarray(picture(401, 303)).convert("CMYK").save(out, "JPEG")
    data = out.getvalue()
    assert pair(data, 1)[0].interpretation == "cmyk"
    assert decodes == []


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_what_is_damaged_is_shown_as_far_as_libvips_shows_it(options: dict[str, Any], decodes: list[bool]) -> None:
    data = pil_bytes(picture(401, 303), "JPEG", quality=90, **options)
    for broken in (data[: len(data) // 2], data[:-2], data[:3000] + b"\xff\xd5" * 9 + data[3000:]):
        same(*pair(broken, 1))
    assert decodes == [False] * 3


def test_a_bomb_of_scans_is_not_for_the_fast_decoder(decodes: list[bool]) -> None:
    data = pil_bytes(picture(401, 303), "JPEG", progressive=True)
    first, last = data.index(b"\xff\xda"), data.rindex(b"\xff\xda")
    assert 1 < data.count(b"\xff\xda", first) <= 50
    pair(data[:last] + data[last:-2] * 60 + data[-2:], 1)
    assert decodes == []


def test_what_is_better_streamed_is_streamed(decodes: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    data = pil_bytes(picture(401, 303), "JPEG")
    monkeypatch.setattr(jpeg, "HELD_PIXELS", 401 * 303 - 1)
    assert pair(data, 1)[0].get_typeof("vips-sequential")
    assert decodes == []
    pair(data, 2)
    assert decodes == [True], "what counts is the size after the decoder's own scaling"


def test_lack_of_memory_is_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(simplejpeg, "decode_jpeg", full)
    same(*pair(pil_bytes(picture(401, 303), "JPEG"), 1))


def test_every_picture_of_the_corpus_decodes_alike(corpus: Path) -> None:
    for file in sorted((corpus / "odd").glob("*.jp*g")):
        data = file.read_bytes()
        try:
            info = codecs.info(Format.JPEG, memoryview(data))
            if info.pixels > 2_000_000:
                continue
            ours, theirs = pair(data, 2)
            theirs = theirs.copy_memory()
        except Exception:  # noqa: BLE001 - refused: what of, is for other tests
            continue
        same(ours, theirs)

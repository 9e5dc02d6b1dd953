"""WebP and AVIF through the fast decoders: the pixels and header of libvips, which takes over where they do not reach."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow
from PIL.features import check

from tests.worker.decoders import EXIF, both, cut_out, equally_shown, facts, picture, same, spied
from tests.worker.pictures import pil_bytes, vips
from tintype.core.formats import Format
from tintype.core.plan import Load
from tintype.worker import codecs
from tintype.worker.codecs import libwebp, whole
from tintype.worker.pixels import Image


@pytest.fixture
def decodes(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Tell of each fast decode whether it came to its end."""
    return spied(monkeypatch, (libwebp, "decoded"), (imagecodecs, "avif_decode"))


def avif(pixels: Any, **options: Any) -> bytes:
    return bytes(vips(pixels).heifsave_buffer(compression="av1", effort=0, **{"Q": 80, **options}))


OURS = {Format.WEBP: whole.webp, Format.AVIF: whole.avif}


def planned(format: Format, **plan: Any) -> Load:
    return Load(format=format, **{"width": 1, "height": 1, **plan})


def pair(format: Format, data: bytes, **plan: Any) -> tuple[Image, Image]:
    return both(OURS[format], data, planned(format, **plan))


def shown(format: Format, data: bytes) -> None:
    equally_shown(OURS[format], data, planned(format))


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}, {"quality": 60, "exact": True}])
@pytest.mark.parametrize(
    "pixels", [picture(), picture(1, 1), cut_out(), cut_out(64, 33)], ids=lambda one: str(one.shape)
)
def test_webp_is_that_of_libvips(pixels: Any, options: dict[str, Any], decodes: list[bool]) -> None:
    ours, theirs = pair(Format.WEBP, pil_bytes(pixels, "WEBP", exif=EXIF, icc_profile=b"", **options))
    assert decodes == [True]
    assert ours.get("orientation") == 6
    same(ours, theirs)


@pytest.mark.parametrize("pixels", [picture(400, 300), cut_out(400, 300)], ids=["opaque", "alpha"])
def test_a_draft_is_coarser_and_cannot_be_told_when_reduced(pixels: Any, decodes: list[bool]) -> None:
    data = pil_bytes(pixels, "WEBP", quality=60, exact=True)
    draft, whole_one = pair(Format.WEBP, data, draft=True)
    assert decodes == [True]
    assert facts(draft) == facts(whole_one)
    assert not np.array_equal(draft.numpy(), whole_one.numpy())
    small = [image.shrink(4, 4).numpy().astype(float) for image in (draft, whole_one)]
    assert np.abs(small[0] - small[1]).mean() < 1.5


def test_a_draft_of_what_lost_nothing_is_whole(decodes: list[bool]) -> None:
    same(*pair(Format.WEBP, pil_bytes(cut_out(), "WEBP", lossless=True), draft=True))
    assert decodes == [True]


@pytest.mark.parametrize("shape", [(104, 201, 3), (103, 202, 3), (103, 200, 3), (102, 201, 3), (103, 201, 2)])
def test_another_shape_than_the_header_says_is_not_decoded(shape: tuple[int, int, int]) -> None:
    data = memoryview(pil_bytes(picture(), "WEBP"))
    assert libwebp.decoded(data, shape, draft=False) is None


def test_without_the_library_libvips_decodes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libwebp, "_library", lambda: None)
    same(*pair(Format.WEBP, pil_bytes(picture(), "WEBP")))


@pytest.mark.parametrize("data", [b"", b"RIFF", b"RIFF\x04\0\0\0WEBP"])
def test_what_is_no_webp_is_not_decoded(data: bytes) -> None:
    assert libwebp.decoded(memoryview(data), (1, 1, 3), draft=False) is None


def test_animations_are_for_libvips(decodes: list[bool]) -> None:
    out = io.BytesIO()
    frames = [Pillow.fromarray(cut_out()), Pillow.fromarray(cut_out()[::-1].copy())]
    frames[0].save(out, "WEBP", save_all=True, append_images=frames[1:], duration=50)
    same(*pair(Format.WEBP, out.getvalue()))
    same(*pair(Format.WEBP, out.getvalue(), frames=2))
    assert decodes == []


@pytest.mark.parametrize("pixels", [picture(400, 300), cut_out(400, 300)], ids=["opaque", "alpha"])
def test_what_can_be_held_is_scaled_once_it_is_decoded(pixels: Any, decodes: list[bool]) -> None:
    data = pil_bytes(pixels, "WEBP", lossless=True, exact=True)
    load = Load(format=Format.WEBP, scale=0.25, width=100, height=75)
    image = codecs.load(memoryview(data), load)
    assert decodes == [True]
    assert (image.width, image.height, image.bands) == (100, 75, pixels.shape[2])
    boxes = pixels[:, :, :3].reshape(75, 4, 100, 4, 3).mean(axis=(1, 3))
    wrong = np.abs(image.numpy()[:, :, :3] - boxes)[:, 50:]
    assert wrong.mean() < 6, "Lanczos and boxes differ in noise"


def test_what_cannot_be_held_is_scaled_by_libvips(decodes: list[bool], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(whole, "HELD_PIXELS", 400 * 300 - 1)
    same(*pair(Format.WEBP, pil_bytes(picture(400, 300), "WEBP"), scale=0.25, width=100, height=75))
    assert decodes == []
    pair(Format.WEBP, pil_bytes(picture(400, 300), "WEBP"))
    assert decodes == [True], "libvips would hold it all the same"


@pytest.mark.parametrize("options", [{"quality": 80}, {"lossless": True}])
def test_damaged_webp_is_shown_as_far_as_libvips_shows_it(options: dict[str, Any]) -> None:
    data = pil_bytes(picture(), "WEBP", **options)
    for broken in (data[: len(data) // 2], data[:-9], data[:300] + b"\xff" * 20 + data[320:]):
        shown(Format.WEBP, broken)


@pytest.mark.parametrize("options", [{"subsample_mode": "on"}, {"subsample_mode": "off"}, {"lossless": True}])
@pytest.mark.parametrize("pixels", [picture(), cut_out(), cut_out(64, 33)], ids=lambda one: str(one.shape))
def test_avif_is_near_that_of_libvips(pixels: Any, options: dict[str, Any], decodes: list[bool]) -> None:
    """Half-size colour is spread over pixels by other filters, and matrices are rounded otherwise."""
    ours, theirs = pair(Format.AVIF, avif(pixels, **options))
    assert decodes == [True]
    assert facts(ours) == facts(theirs)
    wrong = np.abs(ours.numpy().astype(int) - theirs.numpy())
    assert wrong.mean() < (0.7 if "lossless" in options else 3)
    if pixels.shape[2] == 4:
        assert wrong[:, :, 3].max() == 0
    if "lossless" in options or options["subsample_mode"] == "off":
        assert wrong.max() <= 2


def test_avif_is_at_least_as_near_to_the_original_as_by_libvips(decodes: list[bool]) -> None:
    x, y = np.meshgrid(np.linspace(0, 9, 300), np.linspace(0, 7, 200))
    smooth = (127 + 120 * np.dstack([np.sin(x), np.cos(y), np.sin(x + y)])).astype(np.uint8)
    ours, theirs = pair(Format.AVIF, avif(smooth, Q=90, subsample_mode="on"))
    assert decodes == [True]
    wrong = [np.square(one.numpy().astype(float) - smooth).mean() for one in (ours, theirs)]
    assert wrong[0] <= wrong[1] * 1.01


@pytest.mark.skipif(not check("avif"), reason="Pillow without an encoder of AVIF")
@pytest.mark.parametrize("options", [{"subsampling": "4:2:2"}, {"range": "limited"}, {"subsampling": "4:2:0"}])
def test_avif_of_another_writer_is_read_alike(options: dict[str, Any], decodes: list[bool]) -> None:
    data = pil_bytes(picture(), "AVIF", quality=90, speed=10, **options)
    ours, theirs = pair(Format.AVIF, data)
    assert decodes == [True]
    assert np.abs(ours.numpy().astype(int) - theirs.numpy()).mean() < 3


@pytest.mark.skipif(not check("avif"), reason="Pillow without an encoder of AVIF")
@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_avif_that_is_to_be_turned_is_turned_by_libvips(orientation: int, decodes: list[bool]) -> None:
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    data = pil_bytes(picture(), "AVIF", quality=90, speed=10, exif=exif.tobytes())
    assert b"irot" in data or b"imir" in data
    same(*pair(Format.AVIF, data))
    assert decodes == []


def test_deep_avif_is_for_libvips(decodes: list[bool]) -> None:
    deep = pyvips.Image.new_from_array(picture().astype(np.uint16) * 257).copy(interpretation="rgb16")
    data = bytes(deep.heifsave_buffer(compression="av1", bitdepth=10, effort=0))
    same(*pair(Format.AVIF, data))
    assert decodes == []


@pytest.mark.skipif(not check("avif"), reason="Pillow without an encoder of AVIF")
def test_sequences_are_for_libvips(decodes: list[bool]) -> None:
    frames = [Pillow.fromarray(picture()), Pillow.fromarray(picture()[::-1].copy())]
    out = io.BytesIO()
    frames[0].save(out, "AVIF", save_all=True, append_images=frames[1:], speed=10)
    same(*pair(Format.AVIF, out.getvalue()))
    assert decodes == []


def test_damaged_avif_is_refused_or_shown_as_by_libvips() -> None:
    data = avif(picture())
    for cut in (40, len(data) // 2, len(data) - 9):
        shown(Format.AVIF, data[:cut])


@pytest.mark.parametrize("format", [Format.WEBP, Format.AVIF])
def test_lack_of_memory_is_no_reason_to_fail(format: Format, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_args: Any, **_options: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(libwebp, "decoded", full)
    monkeypatch.setattr(imagecodecs, "avif_decode", full)
    same(*pair(format, pil_bytes(picture(), "WEBP") if format is Format.WEBP else avif(picture())))


@pytest.mark.parametrize(
    "data", [b"", b"\0" * 40, b"\0\0\0\x10ftypavif\0\0\0\0\0\0\0\x01meta\xff", b"\0\0\0\x08meta" * 9]
)
def test_boxes_that_make_no_sense_are_not_plain(data: bytes) -> None:
    assert not whole._plain(memoryview(data))


def test_every_webp_of_the_corpus_decodes_alike(corpus: Path) -> None:
    for file in sorted(corpus.glob("*/*.webp")):
        shown(Format.WEBP, file.read_bytes())

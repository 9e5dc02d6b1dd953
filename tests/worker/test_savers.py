"""What the encoders are told, as it shows in the files, and which results go which way to them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from tests.worker.pictures import gradient, pil_bytes, run, translucent, vips
from tintype.core.formats import Format
from tintype.core.plan import FAST, Save
from tintype.core.policy import Encoders
from tintype.worker import codecs
from tintype.worker.codecs import jpeg_save
from tintype.worker.codecs.plain import plain
from tintype.worker.pixels import ICC, Image, with_blob


def opened(body: bytes) -> Pillow.Image:
    return Pillow.open(io.BytesIO(body))


def luma_table(quality: int, encoders: Encoders) -> list[int]:
    body = codecs.encode(vips(gradient()), Save(format=Format.JPEG, encoders=encoders), quality)
    picture = opened(body)
    return list(picture.quantization[0])  # type: ignore[attr-defined]  # of JpegImageFile


@pytest.mark.parametrize("quality", [40, 80, 95])
def test_jpeg_has_tables_for_the_eye(quality: int) -> None:
    assert luma_table(quality, Encoders.MEASURED) != luma_table(quality, Encoders.IMGPROXY)


@pytest.mark.parametrize("quality", range(1, 101))
def test_jpeg_tables_are_those_of_a_baseline_file_and_finer_for_more_quality(quality: int) -> None:
    coarse, fine = jpeg_save.tables(quality), jpeg_save.tables(min(100, quality + 1))
    for one, other in zip(coarse, fine, strict=True):
        assert len(one) == 64
        assert all(1 <= step <= 255 for step in one)
        assert all(after <= before for before, after in zip(one, other, strict=True))


def test_a_jpeg_has_the_tables_of_its_quality() -> None:
    picture = opened(codecs.encode(vips(gradient()), Save(format=Format.JPEG), 72))
    assert tuple(map(tuple, picture.quantization.values())) == jpeg_save.tables(72)  # type: ignore[attr-defined]


def test_what_a_jpeg_says_is_what_libvips_would_say() -> None:
    """EXIF with the size of the result, XMP, a profile and a resolution; and the pixels of one that says nothing."""
    image = with_blob(vips(gradient()), "xmp-data", b"<x/>").copy(xres=4.0, yres=4.0)
    image.set_type(pyvips.GValue.gstr_type, "exif-ifd0-Copyright", "somebody (somebody, ASCII, 9 components, 9 bytes)")
    image = with_blob(image, ICC, pyvips.Operation.call("profile_load", "srgb"))
    silent, telling = (codecs.encode(one, Save(format=Format.JPEG), 80) for one in (vips(gradient()), image))
    by_libvips = opened(image.jpegsave_buffer())
    assert opened(telling).info.keys() == by_libvips.info.keys() >= {"exif", "xmp", "icc_profile", "dpi"}
    for named in ("exif", "xmp", "icc_profile", "dpi"):
        assert opened(telling).info[named] == by_libvips.info[named]
    assert opened(telling).tobytes() == opened(silent).tobytes()


@pytest.mark.parametrize(("progressive", "marker"), [(False, b"\xff\xc0"), (True, b"\xff\xc2")])
def test_a_jpeg_is_progressive_where_it_is_asked_for(*, progressive: bool, marker: bytes) -> None:
    save = Save(format=Format.JPEG, progressive=progressive)
    assert marker in codecs.encode(vips(gradient()), save, 80)


def test_a_gray_jpeg_stays_gray() -> None:
    gray = vips(gradient()).colourspace("b-w")
    assert opened(codecs.encode(gray, Save(format=Format.JPEG), 80)).mode == "L"


def test_imgproxys_jpeg_table_is_that_of_the_standard() -> None:
    assert luma_table(50, Encoders.IMGPROXY)[:8] == [16, 11, 10, 16, 24, 40, 51, 61]  # ITU-T T.81, table K.1


def layers(jpeg: bytes) -> list[int]:
    """Return the sampling factors of each component, in hex digits: 21 is two by one."""
    frame = jpeg.index(b"\xff\xc0")
    return [jpeg[frame + 11 + 3 * n] for n in range(jpeg[frame + 9])]


@pytest.mark.parametrize(
    ("quality", "chroma"), [(80, [0x21, 0x11, 0x11]), (89, [0x21, 0x11, 0x11]), (90, [0x11, 0x11, 0x11])]
)
def test_jpeg_keeps_all_of_the_colour_from_90_on(quality: int, chroma: list[int]) -> None:
    assert layers(codecs.encode(vips(gradient()), Save(format=Format.JPEG), quality)) == chroma


def red_and_blue() -> Image:
    """Return stripes one pixel wide, of one brightness: what is lost with half of the colour."""
    pixels = np.zeros((64, 64, 3), np.uint8)
    pixels[:, ::2], pixels[:, 1::2] = (230, 60, 60), (60, 60, 230)
    return vips(pixels)


def contrast(body: bytes) -> float:
    pixels = np.asarray(opened(body).convert("RGB"), np.int64)
    return float(np.abs(pixels[:, ::2, 0] - pixels[:, 1::2, 0]).mean())


@pytest.mark.parametrize("by_libvips", [False, True])
def test_avif_keeps_all_of_the_colour(*, by_libvips: bool) -> None:
    image = red_and_blue()
    image = with_blob(image, "xmp-data", b"<x/>") if by_libvips else image
    mine, theirs = (
        contrast(codecs.encode(image, Save(format=Format.AVIF, effort=0, encoders=encoders), 63))
        for encoders in Encoders
    )
    assert mine > 2 * theirs


@pytest.mark.parametrize("format", [Format.WEBP, Format.AVIF, Format.PNG])
@pytest.mark.parametrize("encoders", list(Encoders))
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_both_ways_show_the_same_picture(format: Format, encoders: Encoders, bands: int) -> None:
    pixels = translucent()
    pixels = pixels[:, :, :bands] if bands > 2 else pixels[:, :, [0, 3][:bands]]
    image = vips(pixels, "srgb" if bands > 2 else "b-w")
    save = Save(format=format, effort=2, encoders=encoders)
    mine, theirs = (opened(codecs.encode(each, save, 95)).convert("RGBA") for each in (image, other_way(image)))
    assert plain(image) is not None
    assert np.abs(np.asarray(mine, np.int64) - np.asarray(theirs, np.int64)).mean() < 2


def other_way(image: Image) -> Image:
    """Return the image with something to tell, for which libvips is needed."""
    return with_blob(image, "xmp-data", b"<x:xmpmeta/>")


def test_animations_metadata_profiles_depth_and_giants_are_for_libvips() -> None:
    image = vips(gradient())
    assert plain(image) is not None
    assert plain(with_blob(image, ICC, b"profile")) is None
    assert plain(with_blob(image, "exif-data", b"Exif")) is None
    assert plain(image.cast("ushort").copy(interpretation="rgb16")) is None
    assert plain(image.copy(xres=300 / 25.4, yres=300 / 25.4)) is None
    assert plain(pyvips.Image.black(2000, 1001, bands=3).copy(interpretation="srgb")) is None
    animated = image.copy()
    animated.set_type(pyvips.GValue.gint_type, "n-pages", 2)
    assert plain(animated) is None


@pytest.mark.parametrize("format", [Format.WEBP, Format.AVIF, Format.PNG])
@pytest.mark.parametrize("bands", [3, 4])
def test_imgproxys_users_find_the_exif_block_of_libvips(format: Format, bands: int) -> None:
    image = vips(translucent()[:, :, :bands])
    mine, theirs = (codecs.encode(image, Save(format=format, effort=2, encoders=encoders), 80) for encoders in Encoders)
    assert len(opened(theirs).getexif()) > 0
    assert len(opened(mine).getexif()) == 0


def exif_chunk(webp: bytes) -> bytes:
    """Return what the file holds from the name of the chunk on, without the mark that libvips puts before the block."""
    at = webp.index(b"EXIF")
    return webp[at + 8 : at + 8 + int.from_bytes(webp[at + 4 : at + 8], "little")].removeprefix(b"Exif\0\0")


@pytest.mark.parametrize("per_mm", [1.0, 72 / 25.4])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_the_exif_block_of_webp_is_that_of_libvips(bands: int, per_mm: float) -> None:
    pixels = translucent(203, 101)[:, :, [0, 3] if bands == 2 else list(range(bands))]
    image = vips(pixels, "srgb" if bands > 2 else "b-w").copy(xres=per_mm, yres=per_mm)
    assert plain(image) is not None
    ours = codecs.encode(image, Save(format=Format.WEBP, effort=2, encoders=Encoders.IMGPROXY), 80)
    theirs = image.webpsave_buffer(Q=80, effort=2)
    assert exif_chunk(ours) == exif_chunk(theirs)
    assert opened(ours).getexif().get_ifd(0x8769)[0xA002] == 203
    assert np.array_equal(np.asarray(opened(ours)), np.asarray(opened(theirs)))


def before_pixels(png: bytes) -> bytes:
    return png[: png.index(b"IDAT") - 4]


@pytest.mark.parametrize("per_mm", [1.0, 72 / 25.4])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_imgproxys_png_has_the_header_of_libvips(bands: int, per_mm: float) -> None:
    pixels = translucent(203, 101)[:, :, [0, 3] if bands == 2 else list(range(bands))]
    image = vips(pixels, "srgb" if bands > 2 else "b-w").copy(xres=per_mm, yres=per_mm)
    save = Save(format=Format.PNG, effort=6, encoders=Encoders.IMGPROXY)
    ours, theirs = codecs.encode(image, save, 80), image.pngsave_buffer(compression=6, filter="all")
    assert plain(image) is not None
    assert before_pixels(ours) == before_pixels(theirs)
    assert ours != theirs
    assert np.array_equal(np.asarray(opened(ours)), np.asarray(opened(theirs)))


def test_webp_is_written_with_the_effort_asked_for() -> None:
    image = vips(np.random.default_rng(1).integers(0, 255, (200, 200, 3)).astype(np.uint8)).gaussblur(2).copy_memory()
    sizes = [len(codecs.encode(image, Save(format=Format.WEBP, effort=effort), 79)) for effort in (0, 6)]
    assert sizes[1] < sizes[0] * 0.97


def test_a_preset_of_webp_counts() -> None:
    image = vips(gradient(300, 300))
    bodies = {codecs.encode(image, Save(format=Format.WEBP, preset=preset), 79) for preset in ("default", "text")}
    assert len(bodies) == 2


def test_png_interlaced_and_with_a_palette_stay_libpngs() -> None:
    image = vips(gradient())
    interlaced = codecs.encode(image, Save(format=Format.PNG, progressive=True), 0)
    assert interlaced[28] == 1  # of IHDR
    assert opened(codecs.encode(image, Save(format=Format.PNG, palette=True, colors=16), 0)).mode == "P"


def test_a_png_for_ourselves_is_deflated_less() -> None:
    noise = np.random.default_rng(1).integers(0, 255, (90, 120, 3)).astype(np.uint8)
    image = vips(np.kron(noise, np.ones((4, 4, 1), np.uint8)))
    fast, full = (codecs.encode(image, Save(format=Format.PNG, effort=effort), 0) for effort in (FAST, 4))
    assert len(fast) > len(full)
    assert np.array_equal(np.asarray(opened(fast)), np.asarray(opened(full)))


def test_the_bound_on_bytes_holds_with_every_encoder() -> None:
    source = pil_bytes(np.random.default_rng(2).integers(0, 255, (200, 200, 3)).astype(np.uint8), "PNG")
    for kind in (Format.JPEG, Format.WEBP, Format.AVIF):
        assert len(run(source, Format.PNG, save=Save(format=kind, max_bytes=20_000)).body) <= 20_000, kind

"""JPEG XL with colour spaces and metadata: files as cjxl writes them."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow
from PIL import ImageCms

from tests.worker.jxl_files import FILES, wedge
from tests.worker.pictures import Pixels, decoded, plan_of, run, vips
from tests.worker.test_colour import delta_e
from tintype.core.formats import Format
from tintype.core.plan import Save, ToWorking
from tintype.worker.codecs import libjxl
from tintype.worker.codecs.jxl import load
from tintype.worker.probe import probe

COLOURED = ("named_lossless", "named_lossy", "icc_lossless", "icc_lossy")


def p3() -> bytes:
    """The profile of Display P3, as the JPEG inside has it."""
    profile = libjxl.profile(memoryview(FILES["icc_lossless"])).icc
    assert profile[16:20] == b"RGB "
    return profile


def in_srgb(pixels: Pixels, profile: bytes) -> Pixels:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    done = ImageCms.profileToProfile(
        Pillow.fromarray(pixels),
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert done is not None
    return np.asarray(done)


def container(*boxes: tuple[bytes, bytes]) -> bytes:
    """A container with these boxes before the codestream."""
    start = b"\0\0\0\x0cJXL \r\n\x87\n\0\0\0\x14ftypjxl \0\0\0\0jxl "
    whole = (*boxes, (b"jxlc", FILES["named_lossless"]))
    return start + b"".join(struct.pack(">I", len(body) + 8) + kind + body for kind, body in whole)


def tiff(copyright: bytes, orientation: int = 1) -> bytes:
    entries = [(0x0112, 3, 1, struct.pack("<HH", orientation, 0)), (0x8298, 2, len(copyright), struct.pack("<I", 38))]
    body = b"".join(struct.pack("<HHI", tag, kind, count) + value for tag, kind, count, value in entries)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + body + b"\0\0\0\0" + copyright


def copyright_of(body: bytes) -> str:
    return str(Pillow.open(io.BytesIO(body)).getexif().get(0x8298, ""))


@pytest.mark.parametrize("name", COLOURED)
def test_colours_are_right(name: str) -> None:
    data = FILES[name]
    assert probe(Format.JXL, data, 0).profile
    shown = decoded(run(data, Format.JXL, save=Save(format=Format.PNG)).body)
    assert delta_e(shown, in_srgb(wedge(), p3())) <= 1.5
    assert delta_e(shown, wedge()) > 3, "untransformed, the test would show nothing"


def test_a_transcoded_photo_is_upright_in_its_colours_and_says_whose_it_is() -> None:
    """libjxl writes the orientation of EXIF into the codestream too, and turning twice would be wrong."""
    data = FILES["transcoded"]
    info = probe(Format.JXL, data, 0)
    assert (info.width, info.height, info.orientation, info.profile) == (32, 48, 1, True)
    body = run(data, Format.JXL, save=Save(format=Format.PNG, keep_copyright=True)).body
    assert delta_e(decoded(body), np.rot90(in_srgb(wedge(), p3()), -1)) <= 1.5
    exif = Pillow.open(io.BytesIO(body)).getexif()
    assert (exif.get(0x8298), exif.get(0x013B), exif.get(0x0112, 1)) == ("Ann Author", "Bob", 1)
    assert not exif.get_ifd(0x8825), "GPS never leaks"


def test_gray_stays_gray() -> None:
    gray = np.asarray(Pillow.fromarray(wedge()).convert("L"))
    assert not probe(Format.JXL, FILES["gray"], 0).profile
    plain = decoded(run(FILES["gray"], Format.JXL, save=Save(format=Format.PNG)).body)
    assert np.abs(plain[:, :, 0].astype(int) - gray).max() == 0
    linear = decoded(run(FILES["gray_gamma"], Format.JXL, save=Save(format=Format.PNG)).body)
    light = gray / 255
    wanted = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255
    assert np.abs(linear[:, :, 0] - wanted).max() <= 2


def test_srgb_costs_no_conversion() -> None:
    for data in (imagecodecs.jpegxl_encode(wedge(), lossless=True), imagecodecs.jpegxl_encode(wedge(), distance=1.0)):
        assert libjxl.profile(memoryview(bytes(data))) == libjxl.Profile()
        assert not probe(Format.JXL, bytes(data), 0).profile


def test_a_profile_that_is_kept_goes_with_the_pixels() -> None:
    save = Save(format=Format.PNG, strip_color_profile=False)
    body = run(FILES["icc_lossless"], Format.JXL, ToWorking(keep_profile=True), save=save).body
    picture = Pillow.open(io.BytesIO(body))
    assert picture.info["icc_profile"] == p3()
    assert delta_e(np.asarray(picture.convert("RGB")), wedge()) == 0


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("offset", [0, 5])
def test_exif_in_a_box(compressed: bool, offset: int) -> None:
    exif = offset.to_bytes(4, "big") + b"\0" * offset + tiff(b"Ann Author\0", orientation=8)
    box = (b"brob", b"Exif" + bytes(imagecodecs.brotli_encode(exif))) if compressed else (b"Exif", exif)
    body = run(container(box), Format.JXL, save=Save(format=Format.JPEG, keep_copyright=True)).body
    assert copyright_of(body) == "Ann Author"
    assert Pillow.open(io.BytesIO(body)).size == (48, 32), "the codestream's orientation counts, not this"


@pytest.mark.parametrize(
    "box",
    [
        (b"Exif", b""),
        (b"Exif", b"\xff\xff\xff\xff" + tiff(b"Ann Author\0")),
        (b"Exif", b"\0\0\0\0" + b"II*\0\xff\xff\xff\x7f" * 10),
        (b"brob", b""),
        (b"brob", b"Exifnot brotli at all"),
        (b"brob", b"Exif" + bytes(imagecodecs.brotli_encode(b"\0" * 50_000_000))),
        (b"brob", b"brob" + bytes(imagecodecs.brotli_encode(b"Exif"))),
        (b"xml ", b"<x:xmpmeta"),
        (b"jumb", b"\0" * 100),
    ],
)
def test_broken_or_huge_metadata_is_left_out(box: tuple[bytes, bytes]) -> None:
    data = container(box)
    body = run(data, Format.JXL, save=Save(format=Format.PNG, keep_copyright=True)).body
    assert delta_e(decoded(body), in_srgb(wedge(), p3())) <= 1.5
    assert copyright_of(body) == ""


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_cut_and_no_flipped_bit_does_harm_to_the_profile_reader(name: str) -> None:
    data = FILES[name]
    for at in range(0, len(data), 3):
        libjxl.profile(memoryview(data[:at]))
        flipped = bytearray(data)
        flipped[at] ^= 0x55
        libjxl.profile(memoryview(bytes(flipped)))


def test_metadata_is_not_looked_for_in_a_bare_codestream() -> None:
    image = load(memoryview(FILES["named_lossless"]), plan_of(FILES["named_lossless"], Format.JXL).load)
    assert [field for field in image.get_fields() if field.startswith("exif")] == []


@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("bands", [1, 3])
def test_sixteen_bits_are_written_in_the_light_that_the_file_says(bands: int, alpha: bool) -> None:
    """What a browser shows: the header says linear light, so the values have to be."""
    ramp = np.linspace(0, 65535, 48 * 32).astype(np.uint16).reshape(32, 48)
    pixels = np.dstack([ramp] * bands + [np.full_like(ramp, 40_000)] * alpha)
    kept = Save(format=Format.JXL, keep_depth=True, quality=100, effort=1)
    source = bytes(vips(pixels, "rgb16" if bands == 3 else "grey16").pngsave_buffer())
    written = run(source, Format.PNG, ToWorking(keep_depth=True), save=kept).body
    assert libjxl.profile(memoryview(written)).linear
    raw = imagecodecs.jpegxl_decode(written)
    assert raw.dtype == np.uint16
    value = ramp / 65535
    light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4) * 65535
    assert np.abs(raw.reshape(32, 48, -1)[:, :, 0] - light).max() < 20
    back = run(written, Format.JXL, ToWorking(keep_depth=True), save=Save(format=Format.PNG, keep_depth=True)).body
    again = pyvips.Image.new_from_buffer(back, "").numpy().reshape(32, 48, -1)
    assert np.abs(again[:, :, 0].astype(int) - ramp)[2:].max() < 120, "but for the darkest, where light has few steps"
    assert not alpha or (again[:, :, -1] == 40_000).all()

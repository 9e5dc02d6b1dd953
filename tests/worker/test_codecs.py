"""Every format comes in and goes out, with its pixels."""

from __future__ import annotations

import io
import struct

import imagecodecs
import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow

from tests.worker.pictures import HEIGHT, WIDTH, decoded, distance, encoded, gradient, pil_bytes, run, translucent, vips
from tintype.core.errors import BrokenImage, UnsupportedImage, UnsupportedOutput
from tintype.core.formats import FACTS, LOADABLE, SAVABLE, Format
from tintype.core.info import Space
from tintype.core.plan import Save, Scale
from tintype.worker import codecs
from tintype.worker.codecs.savers import SAVERS
from tintype.worker.probe import probe

MADE_HERE = sorted(LOADABLE - {Format.HEIC, Format.SVG})  # no encoder of HEIC is free enough to be installed


def test_every_format_that_can_be_loaded_or_saved_has_a_codec() -> None:
    assert set(codecs._INFO) == set(codecs._LOAD) == LOADABLE
    assert set(SAVERS) == SAVABLE


@pytest.mark.parametrize("format", MADE_HERE)
def test_pixels_come_in(format: Format) -> None:
    data = encoded(format, gradient())
    info = probe(format, data, 10_000_000)
    assert (info.format, info.width, info.height, info.bits) == (format, WIDTH, HEIGHT, 8)
    pixels = decoded(run(data, format).body)[:, :, :3]
    assert distance(pixels, gradient()) < (10 if format is Format.GIF else 1)


@pytest.mark.parametrize("format", sorted(f for f in MADE_HERE if FACTS[f].alpha and f not in (Format.GIF, Format.BMP)))
def test_alpha_comes_in(format: Format) -> None:
    data = encoded(format, translucent())
    assert probe(format, data, 0).alpha
    assert distance(decoded(run(data, format).body)[:, :, 3], translucent()[:, :, 3]) < 1


@pytest.mark.parametrize("format", sorted(SAVABLE))
def test_pixels_go_out(format: Format) -> None:
    result = run(pil_bytes(gradient(), "PNG"), Format.PNG, save=Save(format=format, quality=95))
    assert (result.format, result.width, result.height) == (format, WIDTH, HEIGHT)
    assert distance(decoded(result.body)[:, :, :3], gradient()) < (10 if format is Format.GIF else 3)


@pytest.mark.parametrize("format", sorted(f for f in SAVABLE if FACTS[f].alpha and f not in (Format.GIF, Format.BMP)))
def test_alpha_goes_out(format: Format) -> None:
    result = run(pil_bytes(translucent(), "PNG"), Format.PNG, save=Save(format=format, quality=95))
    assert distance(decoded(result.body)[:, :, 3], translucent()[:, :, 3]) < 2


@pytest.mark.parametrize("format", sorted(SAVABLE))
@pytest.mark.parametrize("alpha", [False, True])
def test_gray_goes_out(format: Format, alpha: bool) -> None:
    gray = gradient()[:, :, 0]
    pixels = np.dstack([gray, np.full_like(gray, 200)]) if alpha else gray
    if alpha and not FACTS[format].alpha:
        return
    result = run(pil_bytes(pixels, "PNG"), Format.PNG, save=Save(format=format, quality=95))
    assert distance(decoded(result.body)[:, :, 0], gray) < 5


def test_vectors_are_drawn_at_the_size_that_is_wanted() -> None:
    data = encoded(Format.SVG, gradient())
    info = probe(Format.SVG, data, 1)  # a vector has no pixels that could be too many
    assert (info.width, info.height, info.alpha) == (WIDTH, HEIGHT, True)
    result = run(data, Format.SVG, width=WIDTH * 5, height=HEIGHT * 5, scale=5.0)
    pixels = decoded(result.body)
    assert (result.width, result.height) == (WIDTH * 5, HEIGHT * 5)
    assert tuple(pixels[100, 239]) == (200, 0, 0, 255)
    assert pixels[100, 241, 3] == 0, "the edge is as sharp as a drawing at this size has it"


def test_tiny_vector_scales_are_reached() -> None:
    data = b'<svg xmlns="http://www.w3.org/2000/svg" width="20000" height="20000"><rect width="20000" height="20000"/></svg>'
    result = run(data, Format.SVG, width=10, height=10, scale=0.0005)
    assert decoded(result.body)[5, 5, 3] == 255


def test_scaled_decoding_gives_the_planned_size() -> None:
    jpeg = encoded(Format.JPEG, gradient(101, 67))
    assert run(jpeg, Format.JPEG, shrink=2, width=50, height=33).width == 50
    webp = encoded(Format.WEBP, gradient(101, 67))
    assert run(webp, Format.WEBP, scale=0.25, width=25, height=17).height == 17


def test_a_header_that_lies_about_the_size_is_broken() -> None:
    png = pil_bytes(gradient(), "PNG")
    with pytest.raises(BrokenImage, match="header says"):
        run(png, Format.PNG, width=WIDTH * 2, height=HEIGHT * 2)


class TestJpeg:
    def test_cmyk_and_ycck(self) -> None:
        cmyk = Pillow.fromarray(gradient()).convert("CMYK")
        out = io.BytesIO()
        cmyk.save(out, "JPEG", quality=98)  # with the Adobe marker that says YCCK or inverted CMYK
        assert probe(Format.JPEG, out.getvalue(), 0).space is Space.CMYK
        pixels = decoded(run(out.getvalue(), Format.JPEG).body)
        assert pixels.shape[2] == 3
        assert distance(pixels, gradient()) < 60, (
            "colours of inks without a profile are a guess, but the right way round"
        )

    def test_twelve_bits_are_refused_by_name(self) -> None:
        jpeg = bytearray(encoded(Format.JPEG, gradient()))
        at = jpeg.index(b"\xff\xc0")
        jpeg[at + 4] = 12
        with pytest.raises(UnsupportedImage, match="12 bits"):
            probe(Format.JPEG, bytes(jpeg), 0)

    def test_progressive_is_a_header_fact(self) -> None:
        assert probe(Format.JPEG, pil_bytes(gradient(), "JPEG", progressive=True), 0).progressive
        assert not probe(Format.JPEG, pil_bytes(gradient(), "JPEG"), 0).progressive

    def test_a_truncated_photo_is_shown_as_far_as_it_goes(self) -> None:
        jpeg = pil_bytes(np.kron(gradient(), np.ones((8, 8, 1))).astype(np.uint8), "JPEG", quality=95)
        pixels = decoded(run(jpeg[: len(jpeg) // 2], Format.JPEG).body)
        assert distance(pixels[:100], np.kron(gradient(), np.ones((8, 8, 1)))[:100]) < 5


class TestBmp:
    @pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
    def test_kinds(self, mode: str) -> None:
        source = Pillow.fromarray(gradient()).convert(mode)
        out = io.BytesIO()
        source.save(out, "BMP")
        pixels = decoded(run(out.getvalue(), Format.BMP).body)
        assert distance(pixels[:, :, :3], np.asarray(source.convert("RGB"))) < 1

    def test_the_fourth_byte_is_alpha_where_it_is_used(self) -> None:
        data = run(pil_bytes(translucent(), "PNG"), Format.PNG, save=Save(format=Format.BMP)).body
        assert probe(Format.BMP, data, 0).alpha
        assert distance(decoded(run(data, Format.BMP).body), translucent()) < 1

    def test_a_fourth_byte_of_zeros_is_no_alpha(self) -> None:
        data = bytearray(run(pil_bytes(translucent(), "PNG"), Format.PNG, save=Save(format=Format.BMP)).body)
        data[138 + 3 :: 4] = bytes(len(data[138 + 3 :: 4]))
        assert not probe(Format.BMP, bytes(data), 0).alpha
        assert decoded(run(bytes(data), Format.BMP).body).shape[2] == 3

    def test_rows_from_the_top_down(self) -> None:
        data = bytearray(run(pil_bytes(translucent(), "PNG"), Format.PNG, save=Save(format=Format.BMP)).body)
        struct.pack_into("<i", data, 22, -HEIGHT)
        assert distance(decoded(run(bytes(data), Format.BMP).body), translucent()[::-1]) < 1


class TestIco:
    def icon(self, *images: tuple[int, int, bytes]) -> bytes:
        """Put (side, bits, data) into one file."""
        at = 6 + 16 * len(images)
        entries = b""
        for side, bits, data in images:
            entries += struct.pack("<BBBBHHII", side % 256, side % 256, 0, 0, 1, bits, len(data), at)
            at += len(data)
        return struct.pack("<HHH", 0, 1, len(images)) + entries + b"".join(data for *_, data in images)

    def bitmap(self, side: int, *, mask: int) -> bytes:
        """A 24-bit bitmap in red over a mask of one value."""
        header = struct.pack("<IiiHHIIiiII", 40, side, side * 2, 1, 24, 0, 0, 0, 0, 0, 0)
        rows = (b"\0\0\xc8" * side + b"\0" * (-3 * side % 4)) * side
        return header + rows + bytes([mask]) * (((side + 31) // 32 * 4) * side)

    def test_the_largest_image_counts(self) -> None:
        small, large = (pil_bytes(np.full((n, n, 3), n, np.uint8), "PNG") for n in (16, 48))
        data = self.icon((16, 24, small), (48, 24, large), (16, 24, small))
        assert probe(Format.ICO, data, 0).width == 48
        assert decoded(run(data, Format.ICO).body)[0, 0, 0] == 48

    def test_a_mask_that_hides_nothing_is_no_alpha(self) -> None:
        data = self.icon((16, 24, self.bitmap(16, mask=0)))
        assert not probe(Format.ICO, data, 0).alpha
        assert tuple(decoded(run(data, Format.ICO).body)[3, 3]) == (200, 0, 0)

    def test_an_icon_hidden_as_a_whole_is_shown(self) -> None:
        assert decoded(run(self.icon((16, 24, self.bitmap(16, mask=255))), Format.ICO).body).shape == (16, 16, 3)

    def test_a_mask_is_alpha(self) -> None:
        data = self.icon((16, 24, self.bitmap(16, mask=0xF0)))
        assert probe(Format.ICO, data, 0).alpha
        assert set(np.unique(decoded(run(data, Format.ICO).body)[:, :, 3])) == {0, 255}

    @pytest.mark.parametrize(
        "data", [b"\0\0\1\0\1\0", b"\0\0\1\0\xff\xff" + b"\0" * 200, b"\0\0\1\0\1\0" + b"\xff" * 16]
    )
    def test_nonsense_is_broken(self, data: bytes) -> None:
        with pytest.raises(BrokenImage):
            probe(Format.ICO, data, 0)


class TestJxl:
    def test_sixteen_bits_and_gray(self) -> None:
        value = gradient()[:, :, 0] / 255
        light = np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)  # as imagecodecs tags it
        data = bytes(imagecodecs.jpegxl_encode(np.rint(light * 65535).astype(np.uint16), lossless=True))
        info = probe(Format.JXL, data, 0)
        assert (info.width, info.height, info.bits, info.alpha, info.profile) == (WIDTH, HEIGHT, 16, False, False)
        assert distance(decoded(run(data, Format.JXL).body)[:, :, 0], gradient()[:, :, 0]) < 1

    @pytest.mark.parametrize("size", [(8, 8), (256, 256), (257, 255), (16, 9), (4, 3), (1, 2000), (1920, 1080)])
    @pytest.mark.parametrize("boxed", [False, True])
    def test_sizes_in_the_header(self, size: tuple[int, int], boxed: bool) -> None:
        pixels = np.zeros((size[1], size[0], 4), np.uint8)
        data = bytes(imagecodecs.jpegxl_encode(pixels, lossless=True, effort=1, usecontainer=boxed))
        info = probe(Format.JXL, data, 0)
        assert (info.width, info.height, info.alpha) == (*size, True)

    @pytest.mark.parametrize(
        "data", [b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n", b"\0\0\0\x0cJXL \r\n\x87\n" + b"\0" * 40]
    )
    def test_nonsense_is_refused(self, data: bytes) -> None:
        with pytest.raises(BrokenImage):
            run(data, Format.JXL)


class TestTiff:
    @pytest.mark.parametrize("options", [{}, {"compression": "tiff_lzw"}, {"compression": "jpeg", "quality": 95}])
    def test_compressions(self, options: dict[str, object]) -> None:
        assert distance(decoded(run(pil_bytes(gradient(), "TIFF", **options), Format.TIFF).body), gradient()) < 3

    def test_floating_point_is_linear_light(self) -> None:
        linear = np.full((16, 16, 3), 0.2140, np.float32)  # the light of sRGB 127.5
        data = bytes(vips(linear, "scrgb").tiffsave_buffer())
        assert abs(int(decoded(run(data, Format.TIFF).body)[8, 8, 0]) - 127) <= 1

    def test_pages_are_no_frames(self) -> None:
        data = bytes(vips(np.vstack([gradient(), gradient()])).tiffsave_buffer(page_height=HEIGHT))
        assert (probe(Format.TIFF, data, 0).frames, probe(Format.TIFF, data, 0).height) == (1, HEIGHT)


class TestPng:
    def test_sixteen_bits_become_eight_unless_they_are_kept(self) -> None:
        deep = gradient().astype(np.uint16) * 257
        data = bytes(vips(deep, "rgb16").pngsave_buffer())
        assert probe(Format.PNG, data, 0).bits == 16
        assert distance(decoded(run(data, Format.PNG).body), gradient()) < 1

    def test_the_first_frame_of_an_animation_is_shown(self) -> None:
        out = io.BytesIO()
        first, second = Pillow.fromarray(gradient()), Pillow.fromarray(255 - gradient())
        first.save(out, "PNG", save_all=True, append_images=[second])
        assert distance(decoded(run(out.getvalue(), Format.PNG).body), gradient()) < 1

    def test_a_palette_stays_a_palette(self) -> None:
        indexed = Pillow.fromarray(gradient()).quantize(16)
        out = io.BytesIO()
        indexed.save(out, "PNG", bits=4)
        body = run(out.getvalue(), Format.PNG).body
        assert (body[24], body[25]) == (4, 3), "bits and colour type of IHDR"

    def test_a_palette_can_be_asked_for(self) -> None:
        body = run(pil_bytes(gradient(), "PNG"), Format.PNG, save=Save(format=Format.PNG, palette=True, colors=4)).body
        assert (body[24], body[25]) == (2, 3)


def test_what_cannot_be_read_or_written_says_so() -> None:
    with pytest.raises(UnsupportedImage, match="psd"):
        probe(Format.PSD, b"8BPS", 0)
    with pytest.raises(UnsupportedOutput, match="heic"):
        run(pil_bytes(gradient(), "PNG"), Format.PNG, save=Save(format=Format.HEIC))


def test_an_encoder_that_refuses_is_no_broken_source() -> None:
    wide = bytes(pyvips.Image.black(17000, 2).copy(interpretation="b-w").pngsave_buffer())
    with pytest.raises(UnsupportedOutput):
        run(wide, Format.PNG, Scale(width=17000, height=1), save=Save(format=Format.WEBP))


@pytest.mark.parametrize("format", MADE_HERE)
def test_a_message_never_has_a_path(format: Format) -> None:
    with pytest.raises((BrokenImage, UnsupportedImage)) as caught:
        run(encoded(format, gradient())[:20], format)
    assert "/" not in str(caught.value)
    assert len(str(caught.value)) < 300

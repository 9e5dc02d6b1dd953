"""Colours come out as LittleCMS has them, and a profile that is no use changes nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
import pyvips
from PIL import Image as Pillow
from PIL import ImageCms

from tests.worker.pictures import WIDTH, decoded, distance, gradient, pil_bytes, plan_of, run, translucent, vips
from tintype.core.formats import Format
from tintype.core.info import Space
from tintype.core.pipeline import Color
from tintype.core.plan import Canvas, Flatten, Overlay, Save, Scale, ToWorking
from tintype.core.policy import Light
from tintype.worker.colour import is_srgb
from tintype.worker.execute import execute
from tintype.worker.probe import probe

P3: bytes = bytes(pyvips.Operation.call("profile_load", "p3"))
CMYK: bytes = bytes(pyvips.Operation.call("profile_load", "cmyk"))
SRGB: bytes = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def delta_e(a: np.ndarray, b: np.ndarray) -> float:
    """Return the 95th percentile of Delta E 2000."""
    return float(np.percentile(vips(a).dE00(vips(b)).numpy(), 95))


def by_lcms(picture: Pillow.Image, profile: bytes) -> np.ndarray:
    """Convert to sRGB with LittleCMS, relative colorimetric."""
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    done = ImageCms.profileToProfile(
        picture,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert done is not None
    return np.asarray(done)


def adobe_rgb() -> bytes:
    """A matrix profile with the primaries of Adobe RGB (1998), made by rewriting the P3 profile's matrix columns."""
    profile = bytearray(P3)
    columns = {
        b"rXYZ": (0.60974, 0.31111, 0.01947),
        b"gXYZ": (0.20528, 0.62567, 0.06087),
        b"bXYZ": (0.14919, 0.06322, 0.74457),
    }
    count = int.from_bytes(profile[128:132], "big")
    for i in range(count):
        at = 132 + 12 * i
        if (values := columns.get(bytes(profile[at : at + 4]))) is not None:
            offset = int.from_bytes(profile[at + 4 : at + 8], "big") + 8
            profile[offset : offset + 12] = b"".join(round(v * 65536).to_bytes(4, "big") for v in values)
    return bytes(profile)


@pytest.mark.parametrize("profile", [P3, adobe_rgb()])
@pytest.mark.parametrize("kind", [Format.PNG, Format.TIFF, Format.WEBP, Format.JPEG])
def test_rgb_profiles(kind: Format, profile: bytes) -> None:
    options = (
        {"lossless": True} if kind is Format.WEBP else {"quality": 100, "subsampling": 0} if kind is Format.JPEG else {}
    )
    data = pil_bytes(gradient(), kind.value.upper(), icc_profile=profile, **options)
    assert probe(kind, data, 0).profile
    result = decoded(run(data, kind).body)
    with Pillow.open(io.BytesIO(data)) as source:
        assert delta_e(result, by_lcms(source.convert("RGB"), profile)) < 0.7
    assert distance(result, gradient()) > 1, "the profile makes a difference at all"


@pytest.mark.parametrize("kind", ["JPEG", "TIFF"])
def test_cmyk_through_its_profile(kind: str) -> None:
    inks = ImageCms.profileToProfile(
        Pillow.fromarray(gradient()),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(CMYK)),
        outputMode="CMYK",
    )
    assert inks is not None
    out = io.BytesIO()
    inks.save(out, kind, icc_profile=CMYK, quality=95)
    assert probe(Format(kind.lower()), out.getvalue(), 0).space is Space.CMYK
    with Pillow.open(io.BytesIO(out.getvalue())) as source:
        assert delta_e(decoded(run(out.getvalue(), Format(kind.lower())).body), by_lcms(source, CMYK)) < 1


def test_alpha_is_left_alone() -> None:
    data = pil_bytes(translucent(), "PNG", icc_profile=P3)
    assert np.array_equal(decoded(run(data, Format.PNG).body)[:, :, 3], translucent()[:, :, 3])


def test_sixteen_bits_with_alpha_and_profile() -> None:
    deep = vips(translucent().astype(np.uint16) * 257, "rgb16").copy()
    deep.set_type(pyvips.GValue.blob_type, "icc-profile-data", P3)
    data = bytes(deep.pngsave_buffer())
    kept = run(data, Format.PNG, ToWorking(keep_depth=True), save=Save(format=Format.PNG, keep_depth=True)).body
    image = pyvips.Image.pngload_buffer(kept)
    assert image.format == "ushort"
    assert distance(image[3].numpy(), translucent()[:, :, 3].astype(int) * 257) == 0
    shallow = decoded(run(data, Format.PNG).body)
    assert distance(image.numpy()[:, :, :3] / 257, shallow[:, :, :3]) < 1


@pytest.mark.parametrize("profile", [b"nonsense", P3[:200], P3[:36] + b"xxxx" + P3[40:], CMYK, b"\0" * 4000])
def test_a_profile_that_is_no_use_is_ignored(profile: bytes) -> None:
    data = pil_bytes(gradient(), "PNG", icc_profile=profile)
    assert np.array_equal(decoded(run(data, Format.PNG).body), gradient())


def test_the_common_srgb_profile_costs_nothing() -> None:
    profile = bytearray(SRGB)
    profile[48:52], profile[52:56] = b"IEC ", b"sRGB"
    assert is_srgb(bytes(profile))
    assert not is_srgb(P3)
    data = pil_bytes(gradient(), "PNG", icc_profile=bytes(profile))
    assert np.array_equal(decoded(run(data, Format.PNG).body), gradient())


class TestKeptProfile:
    keep = Save(format=Format.PNG, strip_color_profile=False)

    def test_pixels_and_profile_stay_together(self) -> None:
        data = pil_bytes(gradient(), "PNG", icc_profile=P3)
        body = run(data, Format.PNG, ToWorking(keep_profile=True), Scale(width=WIDTH, height=10), save=self.keep).body
        with Pillow.open(io.BytesIO(body)) as picture:
            assert picture.info["icc_profile"] == P3
            assert abs(np.asarray(picture)[5, -1, 0].astype(int) - 255) <= 1

    def test_without_keeping_none_is_left(self) -> None:
        for kind in (Format.PNG, Format.JPEG, Format.WEBP, Format.AVIF, Format.TIFF):
            data = pil_bytes(gradient(), "PNG", icc_profile=P3)
            body = run(data, Format.PNG, save=Save(format=kind)).body
            assert P3[200:400] not in body

    def test_painting_on_it_brings_srgb_and_leaves_the_profile_out(self) -> None:
        data = pil_bytes(gradient(), "PNG", icc_profile=P3)
        steps = (Canvas(width=200, height=200, left=0, top=0), Flatten(color=Color(r=200)))
        body = run(data, Format.PNG, ToWorking(keep_profile=True), *steps, save=self.keep).body
        with Pillow.open(io.BytesIO(body)) as picture:
            assert "icc_profile" not in picture.info
            assert tuple(np.asarray(picture)[199, 199]) == (200, 0, 0)


def test_linear_light_is_reached_through_the_profile() -> None:
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    data = pil_bytes(np.dstack([board] * 3), "PNG", icc_profile=P3)
    step = Scale(width=8, height=8, light=Light.LINEAR)
    pixels = decoded(run(data, Format.PNG, ToWorking(light=Light.LINEAR), step).body)
    assert abs(int(pixels[4, 4, 1]) - 188) <= 3


@pytest.mark.parametrize("light", Light)
def test_sixteen_bits_are_reduced_in_sixteen_bits(light: Light) -> None:
    ramp = np.tile(np.linspace(0, 65535, 512), (64, 1)).astype(np.uint16)
    data = bytes(vips(np.dstack([ramp] * 3), "rgb16").pngsave_buffer())
    steps = (ToWorking(keep_depth=True), Scale(width=256, height=32, light=light))
    body = run(data, Format.PNG, *steps, save=Save(format=Format.PNG, keep_depth=True)).body
    values = pyvips.Image.pngload_buffer(body).numpy()[16, :, 0]
    assert values.dtype == np.uint16
    assert len(np.unique(values)) == 256, "no step of an 8-bit scale"
    assert np.abs(values.astype(int) - np.linspace(64, 65471, 256)).max() < 200


def test_gray_stays_gray_until_colour_is_laid_on_it() -> None:
    gray = gradient()[:, :, 0]
    data = pil_bytes(gray, "PNG")
    assert decoded(run(data, Format.PNG, Scale(width=20, height=20)).body).shape == (20, 20, 1)
    mark = pil_bytes(np.full((4, 4, 3), (0, 200, 0), np.uint8), "PNG")
    plan = plan_of(data, Format.PNG, Overlay(input=1, opacity=1, anchor="center"))
    assert decoded(execute(plan, [(Format.PNG, data), (Format.PNG, mark)]).body).shape[2] == 3


def test_lab_and_other_spaces_become_rgb() -> None:
    lab = vips(gradient()).colourspace("lab")
    data = bytes(lab.tiffsave_buffer())
    assert probe(Format.TIFF, data, 0).space is Space.LAB
    assert distance(decoded(run(data, Format.TIFF).body)[:, :, :3], gradient()) < 2


def test_more_bands_than_a_picture_has() -> None:
    bands = vips(np.dstack([gradient(), translucent()]))
    data = bytes(bands.tiffsave_buffer())
    assert distance(decoded(run(data, Format.TIFF).body)[:, :, :3], gradient()) < 1

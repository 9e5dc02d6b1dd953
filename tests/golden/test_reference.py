"""Golden cases computed a second time, with NumPy, Pillow and LittleCMS: the golden facts are not just habits."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image as Pillow
from PIL import ImageCms, ImageFilter, ImageOps

from tests.e2e.node import Node
from tests.golden import facts, sources
from tests.golden.cases import CASES

Floats = npt.NDArray[np.float64]
LANCZOS = Pillow.Resampling.LANCZOS


def opened(name: str) -> Pillow.Image:
    return Pillow.open(io.BytesIO(sources.SOURCES[name]()))


def to_linear(srgb: Floats) -> Floats:
    share = srgb / 255
    linear: Floats = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    return linear


def to_srgb(linear: Floats) -> Floats:
    share = np.clip(linear, 0, 1)
    return 255 * np.where(share <= 0.0031308, share * 12.92, 1.055 * share ** (1 / 2.4) - 0.055)


def planes(picture: Floats, size: tuple[int, int]) -> Floats:
    """Resize each channel in floating point."""
    bands = [Pillow.fromarray(picture[:, :, i].astype(np.float32)) for i in range(picture.shape[2])]
    return np.dstack([np.asarray(band.resize(size, LANCZOS), np.float64) for band in bands])


def reduced(picture: Pillow.Image, size: tuple[int, int]) -> Pillow.Image:
    """Resize in linear light; colours of translucent pixels count by their alpha."""
    pixels = np.asarray(picture.convert("RGBA"), np.float64)
    alpha = pixels[:, :, 3:] / 255
    small = planes(np.dstack([to_linear(pixels[:, :, :3]) * alpha, alpha]), size)
    share = np.clip(small[:, :, 3:], 0, 1)
    colour = to_srgb(small[:, :, :3] / np.maximum(share, 1e-6))
    return Pillow.fromarray(np.dstack([colour, share * 255]).round().astype(np.uint8), "RGBA")


def on(color: tuple[int, int, int], size: tuple[int, int], picture: Pillow.Image, at: tuple[int, int]) -> Pillow.Image:
    canvas = Pillow.new("RGBA", size, (*color, 255))
    canvas.alpha_composite(picture, at)
    return canvas


def by_lcms(picture: Pillow.Image) -> Pillow.Image:
    done = ImageCms.profileToProfile(
        picture,
        ImageCms.ImageCmsProfile(io.BytesIO(picture.info["icc_profile"])),
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
        outputMode="RGB",
    )
    assert done is not None
    return done


def watermarked() -> Pillow.Image:
    picture, mark = reduced(opened("photo.jpg"), (300, 200)), opened("mark.png").convert("RGBA")
    mark.putalpha(mark.getchannel("A").point(lambda alpha: alpha * 0.8))
    picture.alpha_composite(mark, (300 - 80 - 10, 200 - 40 - 10))
    return picture


REFERENCES: dict[str, Callable[[], Pillow.Image]] = {
    "contain": lambda: reduced(opened("photo.jpg"), (300, 200)),
    "contain-gamma": lambda: opened("photo.jpg").resize((300, 200), LANCZOS),
    "cover": lambda: reduced(opened("photo.jpg"), (300, 200)).crop((50, 0, 250, 200)),
    "exact": lambda: reduced(opened("photo.jpg"), (120, 300)),
    "crop": lambda: opened("photo.jpg").crop((150, 300, 550, 600)),
    "trim": lambda: Pillow.fromarray(sources.framed()[30:150, 60:230]),
    "upright": lambda: reduced(ImageOps.exif_transpose(opened("turned.jpg")), (100, 160)),
    "upright-mirrored": lambda: reduced(ImageOps.exif_transpose(opened("mirrored.jpg")), (100, 160)),
    "rotate-270-flip": lambda: ImageOps.mirror(
        reduced(opened("photo.jpg").transpose(Pillow.Transpose.ROTATE_90), (100, 150))
    ),
    "extend": lambda: on((0x33, 0x66, 0x99), (200, 200), reduced(opened("photo.jpg"), (200, 133)), (0, 34)),
    "padding": lambda: on((0, 0xAA, 0), (150, 100), reduced(opened("photo.jpg"), (120, 80)), (20, 5)),
    "background": lambda: on((255, 0, 0), (160, 120), reduced(opened("alpha.png"), (160, 120)), (0, 0)),
    "alpha": lambda: reduced(opened("alpha.png"), (160, 120)),
    "blur": lambda: reduced(opened("photo.jpg"), (200, 133)).convert("RGB").filter(ImageFilter.GaussianBlur(4)),
    "gray-png": lambda: reduced(opened("gray.png"), (120, 80)),
    "cmyk-tiff": lambda: reduced(by_lcms(opened("cmyk.tiff")), (180, 120)),
    "p3": lambda: reduced(by_lcms(opened("p3.png")), (150, 100)),
    "watermark": watermarked,
}


@pytest.mark.parametrize("name", REFERENCES)
def test_as_computed_otherwise(golden: Node, name: str) -> None:
    answer = golden.ask(CASES[name].url)
    got = facts.of_answer("", answer.body)
    want_picture = REFERENCES[name]()
    assert (got.width, got.height) == want_picture.size
    out = io.BytesIO()
    want_picture.save(out, "PNG")
    mean, most = facts.distance(got, facts.of_answer("", out.getvalue()))
    assert mean <= 1.0, f"mean {mean:.2f}, most {most:.0f}"
    assert most <= 8, f"mean {mean:.2f}, most {most:.0f}"

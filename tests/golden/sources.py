"""The sources of the golden cases: drawn from formulas, so that every checkout has the same ones and no binary is kept."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image as Pillow
from PIL import ImageCms, ImageDraw

Pixels = npt.NDArray[np.uint8]

P3: bytes = bytes(pyvips.Operation.call("profile_load", "p3"))
CMYK: bytes = bytes(pyvips.Operation.call("profile_load", "cmyk"))

FRAMES = 6


def scene(width: int, height: int, seed: int = 1) -> Pixels:
    """Return a photo-like picture: a sky, hills, a sun, fine texture and hard edges. Nothing in it is symmetric."""
    x, y = np.meshgrid(np.linspace(0, 1, width), np.linspace(0, 1, height))
    sky = np.stack([120 + 90 * y, 160 + 60 * y, 230 - 40 * y], axis=2)
    hills = 0.55 + 0.12 * np.sin(5 * x + seed) + 0.05 * np.sin(17 * x)
    ground = np.stack([70 + 60 * x, 110 - 40 * y + 30 * np.sin(40 * x), 50 + 20 * np.cos(25 * y)], axis=2)
    picture = np.where((y > hills)[:, :, None], ground, sky)
    sun = np.hypot((x - 0.72) * width / height, y - 0.22) < 0.11
    picture[sun] = (250, 225, 120)
    house = (x > 0.15) & (x < 0.31) & (y > 0.5) & (y < 0.78)
    picture[house] = (170, 60, 50)
    fine = np.random.default_rng(seed).normal(0, 6, (height, width, 1))
    return np.clip(picture + fine, 0, 255).astype(np.uint8)


def disc(width: int, height: int) -> Pixels:
    """Return the scene behind a soft round mask, with opaque and fully transparent parts."""
    x, y = np.meshgrid(np.linspace(-1, 1, width), np.linspace(-1, 1, height))
    alpha = np.clip((0.95 - np.hypot(x, y)) * 4, 0, 1) * 255
    return np.dstack([scene(width, height, 2), alpha.astype(np.uint8)])


def framed() -> Pixels:
    """Return a picture with a plain border, wider on the left than on the right, for trimming."""
    canvas = np.full((180, 260, 3), (240, 240, 235), np.uint8)
    canvas[30:150, 60:230] = scene(170, 120, 3)
    return canvas


def _pil(pixels: npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def _jpeg(pixels: npt.NDArray[Any], **options: Any) -> bytes:
    return _pil(pixels, "JPEG", quality=92, **options)


def _exif(**tags: Any) -> bytes:
    exif = Pillow.Exif()
    names = {"orientation": 0x0112, "copyright": 0x8298, "artist": 0x013B}
    for name, value in tags.items():
        exif[names[name]] = value
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 12.0, 30.0), 3: "E", 4: (11.0, 33.0, 0.0)})
    return exif.tobytes()


def inks(pixels: Pixels) -> Pillow.Image:
    """Separate for print by the CMYK profile."""
    done = ImageCms.profileToProfile(
        Pillow.fromarray(pixels),
        ImageCms.createProfile("sRGB"),
        ImageCms.ImageCmsProfile(io.BytesIO(CMYK)),
        outputMode="CMYK",
    )
    assert done is not None
    return done


def _cmyk(kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    inks(scene(360, 240, 4)).save(out, kind, icc_profile=CMYK, **options)
    return out.getvalue()


def moving() -> list[Pillow.Image]:
    """Return the frames of the animations: a square walks over a ground that changes its colour."""
    frames = []
    for i in range(FRAMES):
        frame = Pillow.new("RGB", (160, 120), (40 * i, 120, 255 - 40 * i))
        ImageDraw.Draw(frame).rectangle((20 * i, 30, 20 * i + 40, 80), fill=(250, 240, 60))
        frames.append(frame)
    return frames


def _animation(kind: str, **options: Any) -> bytes:
    first, *rest = moving()
    out = io.BytesIO()
    first.save(out, kind, save_all=True, append_images=rest, duration=80, loop=0, **options)
    return out.getvalue()


def _deep() -> bytes:
    ramp = np.linspace(0, 65535, 400).astype(np.uint16)
    deep = np.dstack([np.tile(ramp, (200, 1)), np.tile(ramp[::-1], (200, 1)), np.full((200, 400), 30000, np.uint16)])
    return bytes(pyvips.Image.new_from_array(deep).copy(interpretation="rgb16").pngsave_buffer())


def _palette() -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(scene(300, 200)).quantize(64).save(out, "PNG")
    return out.getvalue()


_SVG = b"""<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 80" width="240" height="160">
<rect width="120" height="80" fill="#f2ead8"/><circle cx="40" cy="40" r="28" fill="#8a5a2b"/>
<path d="M70 65 L110 65 L90 20 Z" fill="#2b6e8a" fill-opacity="0.7"/></svg>"""


def _mark() -> bytes:
    mark = Pillow.new("RGBA", (80, 40), (0, 0, 0, 0))
    ImageDraw.Draw(mark).ellipse((2, 2, 77, 37), fill=(200, 20, 120, 200))
    ImageDraw.Draw(mark).rectangle((30, 15, 50, 25), fill=(255, 255, 255, 255))
    return _pil(np.asarray(mark), "PNG")


def _avif() -> bytes:
    picture = pyvips.Image.new_from_array(scene(300, 200, 9)).copy(interpretation="srgb")
    return bytes(picture.heifsave_buffer(compression="av1", Q=85, effort=0))


SOURCES: dict[str, Callable[[], bytes]] = {
    "photo.jpg": lambda: _jpeg(scene(1200, 800)),
    "tall.jpg": lambda: _jpeg(scene(400, 640, 5)),
    "small.jpg": lambda: _jpeg(scene(90, 60, 6), subsampling=0),
    "progressive.jpg": lambda: _jpeg(scene(500, 400, 7), progressive=True),
    "gray.jpg": lambda: _jpeg(scene(300, 200, 8)[:, :, 1]),
    "turned.jpg": lambda: _jpeg(scene(320, 200), exif=_exif(orientation=6, copyright="A. Maker", artist="Ada")),
    "mirrored.jpg": lambda: _jpeg(scene(320, 200), exif=_exif(orientation=5)),
    "cmyk.jpg": lambda: _cmyk("JPEG", quality=95),
    "cmyk.tiff": lambda: _cmyk("TIFF"),
    "p3.png": lambda: _pil(scene(300, 200), "PNG", icc_profile=P3),
    "p3.jpg": lambda: _jpeg(scene(300, 200), icc_profile=P3, subsampling=0),
    "plain.png": lambda: _pil(scene(300, 200), "PNG"),
    "alpha.png": lambda: _pil(disc(320, 240), "PNG"),
    "alpha.webp": lambda: _pil(disc(320, 240), "WEBP", lossless=True),
    "framed.png": lambda: _pil(framed(), "PNG"),
    "gray.png": lambda: _pil(scene(300, 200, 8)[:, :, 1], "PNG"),
    "gray_alpha.png": lambda: _pil(disc(200, 160)[:, :, [1, 3]], "PNG"),
    "palette.png": _palette,
    "deep.png": _deep,
    "animation.gif": lambda: _animation("GIF"),
    "animation.webp": lambda: _animation("WEBP", lossless=True),
    "drawing.svg": lambda: _SVG,
    "picture.bmp": lambda: _pil(scene(200, 150, 10), "BMP"),
    "icon.ico": lambda: _pil(disc(64, 64), "ICO", sizes=[(64, 64)]),
    "picture.tiff": lambda: _pil(scene(300, 200), "TIFF"),
    "picture.avif": _avif,
    "picture.jxl": lambda: bytes(imagecodecs.jpegxl_encode(scene(300, 200), lossless=True)),
    "mark.png": _mark,
}


def write(folder: Path) -> None:
    """Write all sources into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, make in SOURCES.items():
        (folder / name).write_bytes(make())

"""Pictures made for tests, in every format, and short ways to run plans on them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import imagecodecs
import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image as Pillow

from tintype.core.formats import Format
from tintype.core.plan import Load, Plan, Save, Step, ToWorking
from tintype.worker.execute import Rendered, execute
from tintype.worker.probe import probe

Pixels = npt.NDArray[np.uint8]

WIDTH, HEIGHT = 96, 64


def gradient(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """Red grows to the right, green downwards; the bottom right quarter is blue. No symmetry leaves it as it is."""
    x, y = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    blue = np.where((x > 128) & (y > 128), 220, 20)
    return np.stack([x, y, blue], axis=2).astype(np.uint8)


def translucent(width: int = WIDTH, height: int = HEIGHT) -> Pixels:
    """The gradient, with alpha growing to the right."""
    alpha = np.tile(np.linspace(0, 255, width), (height, 1)).astype(np.uint8)
    return np.dstack([gradient(width, height), alpha])


def pil_bytes(pixels: npt.NDArray[Any], kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    Pillow.fromarray(pixels).save(out, kind, **options)
    return out.getvalue()


def vips(pixels: npt.NDArray[Any], interpretation: str = "srgb") -> Any:
    return pyvips.Image.new_from_array(pixels).copy(interpretation=interpretation)


def encoded(format: Format, pixels: Pixels) -> bytes:
    """Encode with a library that the worker does not use for it, where there is one."""
    return _ENCODERS[format](pixels) if format in _ENCODERS else pil_bytes(pixels, format.value.upper())


_ENCODERS: dict[Format, Callable[[Pixels], bytes]] = {
    Format.JXL: lambda pixels: bytes(imagecodecs.jpegxl_encode(pixels, lossless=True)),
    Format.AVIF: lambda pixels: bytes(vips(pixels).heifsave_buffer(compression="av1", lossless=True)),
    Format.JPEG: lambda pixels: pil_bytes(pixels, "JPEG", quality=98, subsampling=0),
    Format.WEBP: lambda pixels: pil_bytes(pixels, "WEBP", lossless=True),
    Format.ICO: lambda pixels: pil_bytes(pixels, "ICO", sizes=[(pixels.shape[1], pixels.shape[0])]),
    Format.SVG: lambda _: svg().encode(),
}


def svg(body: str = "", attributes: str = "") -> str:
    shape = body or f'<rect width="{WIDTH // 2}" height="{HEIGHT}" fill="#c80000"/>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" {attributes}>{shape}</svg>'


def decoded(body: bytes) -> Pixels:
    """Decode with a library other than the one that encoded: rows x columns x bands."""
    if body[:2] == b"\xff\x0a" or body[4:8] == b"JXL ":
        pixels = np.asarray(imagecodecs.jpegxl_decode(body))
    else:
        with Pillow.open(io.BytesIO(body)) as picture:
            pixels = np.asarray(picture.convert("RGBA" if picture.mode == "P" else picture.mode))
    return pixels if pixels.ndim == 3 else pixels[:, :, np.newaxis]


def plan_of(data: bytes, format: Format, *steps: Step, save: Save | None = None, **load: Any) -> Plan:
    """Build a plan that loads all of an image, works on it in sRGB and writes PNG."""
    info = probe(format, data, 0)
    load = {"width": info.width, "height": info.height, **load}
    working = () if steps and isinstance(steps[0], ToWorking) else (ToWorking(),)
    return Plan(
        load=Load(format=format, **load),
        steps=(*working, *steps),
        save=save or Save(format=Format.PNG),
        width=info.width,
        height=info.height,
    )


def run(data: bytes, format: Format, *steps: Step, save: Save | None = None, **load: Any) -> Rendered:
    return execute(plan_of(data, format, *steps, save=save, **load), [(format, data)])


def stepped(pixels: npt.NDArray[Any], *steps: Step) -> npt.NDArray[Any]:
    """Take steps on pixels, through PNG both ways."""
    return decoded(run(pil_bytes(pixels, "PNG"), Format.PNG, *steps).body)


def distance(a: npt.NDArray[Any], b: npt.NDArray[Any]) -> float:
    """Return the mean absolute difference."""
    return float(np.abs(a.astype(int) - b.astype(int)).mean())

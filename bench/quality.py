"""How good a picture is: SSIMULACRA2 against a reference, and the reference that reductions are judged by."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt
import pyvips
from PIL import Image
from ssimulacra2 import compute_ssimulacra2

Pixels = npt.NDArray[np.uint8]


def ssimulacra2(reference: Pixels, distorted: Pixels) -> float:
    """Return the score of a picture: 100 is the reference itself, 90 cannot be told from it, 70 is high quality.

    Both are rows x columns x 3 of sRGB, and of one size.
    """
    if reference.shape != distorted.shape or reference.ndim != 3 or reference.shape[2] != 3:
        raise ValueError(f"two RGB pictures of one size are compared, not {reference.shape} with {distorted.shape}")
    return float(compute_ssimulacra2(_file(reference), _file(distorted)))


def linear_reference(image: pyvips.Image, width: int, height: int) -> Pixels:
    """Reduce a whole 8-bit sRGB picture by Lanczos 3 in linear light, in floating point: the best that is known how to."""
    light = image.copy_memory().colourspace("scrgb")
    reduced = light.resize(width / image.width, vscale=height / image.height, kernel="lanczos3", gap=0)
    return pixels(reduced.colourspace("srgb"))


def pixels(image: pyvips.Image) -> Pixels:
    """Return rows x columns x 3 of an image of gray or sRGB, 8 bits; alpha is laid on gray."""
    image = image.colourspace("srgb")
    if image.hasalpha():
        image = image.flatten(background=128)
    flat = image[:3].cast("uchar").write_to_memory()
    return np.frombuffer(flat, dtype=np.uint8).reshape(image.height, image.width, 3)


def _file(picture: Pixels) -> io.BytesIO:
    """Return a file that can be opened, which is what the metric takes; PNG loses nothing."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "png", compress_level=1)
    file.seek(0)
    return file

"""Judges results: SSIMULACRA2 against a linear-light Lanczos reduction of the whole source, and whether it is a result."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyvips

from bench.quality import Pixels, linear_reference, pixels, ssimulacra2
from tintype.core.formats import Format
from tintype.core.sniff import HEAD_BYTES, sniff

_ICC = "icc-profile-data"
_FORMATS = {"jpg": Format.JPEG, "png": Format.PNG, "webp": Format.WEBP, "avif": Format.AVIF}


class Quality(NamedTuple):
    """SSIMULACRA2 over some photos: the mean, and what 5 % of them are below."""

    mean: float
    p5: float


def quality(pairs: Sequence[tuple[Path, bytes]]) -> Quality:
    """Judge results of sources, on all cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:  # libvips has threads: a fork would hang
        scores = list(pool.map(score, *zip(*pairs, strict=True)))
    return Quality(float(np.mean(scores)), float(np.percentile(scores, 5)))


def score(source: Path, result: bytes) -> float:
    """Return how close a result is to the best reduction of its source to the same size."""
    shown = _srgb(pyvips.Image.new_from_buffer(result, ""))
    return ssimulacra2(_reference(source, shown.width, shown.height), pixels(shown))


@lru_cache(maxsize=64)
def _reference(source: Path, width: int, height: int) -> Pixels:
    image = _srgb(pyvips.Image.new_from_file(str(source))).autorot()
    if not image.hasalpha():
        return linear_reference(image, width, height)
    light = image.colourspace("scrgb").premultiply()
    light = light.resize(width / image.width, vscale=height / image.height, kernel="lanczos3", gap=0)
    return pixels(light.unpremultiply().colourspace("srgb"))


def _srgb(image: pyvips.Image) -> pyvips.Image:
    if image.get_typeof(_ICC):
        alpha = image[image.bands - 1] if image.hasalpha() else None
        image = (image[: image.bands - 1] if alpha else image).icc_transform("srgb", embedded=True)
        image = image.bandjoin(alpha) if alpha else image
    return image.copy_memory()


def flaw(body: bytes, format: str, side: int) -> str:
    """Return what is wrong with an answer that should be a result, "" if nothing is."""
    found = sniff(body[:HEAD_BYTES])
    if found is not _FORMATS[format]:
        return f"{found.value if found else 'no image'} instead of {format}"
    image = pyvips.Image.new_from_buffer(body, "")
    seen = max(image.width, image.height)
    return "" if abs(seen - side) <= 1 else f"{seen} px on its longer side instead of {side}"

"""Camera photos to measure with: those of the corpus, or 12-megapixel ones of our own making."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyvips

ROOT = Path(__file__).resolve().parent.parent
CORPUS = Path(os.environ.get("TINTYPE_SHARED", ROOT.parent / "shared")) / "corpus"


def photos(folder: Path) -> list[Path]:
    """Return JPEG files of 5 to 22 megapixels; makes eight in `folder` if there is no corpus."""
    found = sorted((CORPUS / "photos").glob("*.jpg"))
    return found or [made(folder / f"photo{n}.jpg", 4000, 3000, n) for n in range(8)]


def made(file: Path, width: int, height: int, seed: int) -> Path:
    """Make a picture with the spectrum of a photo: noise of many sizes over shapes. JPEG of quality 90."""
    if not file.exists():
        file.parent.mkdir(parents=True, exist_ok=True)
        picture(width, height, seed).jpegsave(str(file), Q=90)
    return file


def picture(width: int, height: int, seed: int) -> pyvips.Image:
    """Return three bands of noise whose strength falls with its frequency, as in photos."""
    rng = np.random.default_rng(seed)
    image = pyvips.Image.black(width, height, bands=3) + 128
    for cells in (4, 16, 64, 256, 1024):
        grid = rng.normal(0, 180 / cells**0.4, (min(cells, height), min(cells, width), 3)).astype("float32")
        noise = pyvips.Image.new_from_array(grid)
        image += noise.resize(width / noise.width, vscale=height / noise.height, kernel="cubic")
    return image.cast("uchar").copy(interpretation="srgb")

"""What tests of decoders have in common: pictures, spies, and comparison with libvips."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest
import pyvips

from tests.worker.pictures import gradient, translucent
from tintype.core.plan import Load
from tintype.worker.codecs import libvips
from tintype.worker.pixels import Image

Loader: TypeAlias = Callable[[memoryview, Load], Image]

EXIF = b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
_OWN = ("vips-sequential", "filename")


def spied(monkeypatch: pytest.MonkeyPatch, *decoders: tuple[Any, str]) -> list[bool]:
    """Tell of each call of decoders, each a library and a name in it, whether it came to its end with pixels."""
    seen: list[bool] = []

    def spy(library: Any, name: str) -> None:
        real = getattr(library, name)

        def decode(*args: Any, **options: Any) -> Any:
            seen.append(False)
            pixels = real(*args, **options)
            seen[-1] = pixels is not None
            return pixels

        monkeypatch.setattr(library, name, decode)

    for decoder in decoders:
        spy(*decoder)
    return seen


def picture(width: int = 201, height: int = 103) -> Any:
    """Return a slope with noise."""
    rng = np.random.default_rng(5)
    return (gradient(width, height) // 2 + rng.integers(0, 60, (height, width, 3), np.uint8)).astype(np.uint8)


def cut_out(width: int = 201, height: int = 103) -> Any:
    """Return the same with alpha."""
    return np.dstack([picture(width, height), translucent(width, height)[:, :, 3]])


def both(loader: Loader, data: bytes, load: Load) -> tuple[Image, Image]:
    """Decode with a loader of ours, and with libvips."""
    return loader(memoryview(data), load), libvips.load(memoryview(data), load)


def equally_shown(loader: Loader, data: bytes, load: Load, most: int = 20_000_000) -> None:
    """Compare what is shown, if anything is, of images of up to so many pixels."""
    try:
        ours, theirs = both(loader, data, load)
    except pyvips.Error:
        with pytest.raises(pyvips.Error):
            libvips.load(memoryview(data), load)
        return
    if theirs.width * theirs.height <= most:
        same_or_refused(ours, theirs)


def facts(image: Image) -> dict[str, Any]:
    """Return what the header says, but for what only the way of decoding has."""
    return {field: image.get(field) for field in image.get_fields() if field not in _OWN}


def same(ours: Image, theirs: Image) -> None:
    """Compare pixels and headers."""
    assert np.array_equal(ours.numpy(), theirs.numpy())
    assert facts(ours) == facts(theirs)


def same_or_refused(ours: Image, theirs: Image) -> None:
    """Compare what is shown, where something damaged is shown at all."""
    got, wanted = _shown(ours), _shown(theirs)
    assert got is None if wanted is None else np.array_equal(got, wanted)


def _shown(image: Image) -> Any:
    try:
        return image.numpy()
    except pyvips.Error:
        return None

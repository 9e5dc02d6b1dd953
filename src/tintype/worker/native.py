"""The optional Rust extension of the folder native/: whether it is used, and by which name. Wheels do all that it does.

Nothing is used before `use` says so, which a worker's start does before the sandbox closes.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any, Protocol, cast

import cv2

_MODULE = "tintype_native"
_PROCESSOR = {"AVX2": 11, "FMA3": 12}  # what a build may need, and OpenCV's number for it (CV_CPU_*)


class Extension(Protocol):
    """The module. It keeps nothing, starts no thread, and declines with None what it is not sure of."""

    __version__: str
    NEEDS: Sequence[str]

    def png_pixels(self, file: bytes, width: int, height: int, bands: int) -> bytes | None:
        """Return the pixels of a PNG of 8 bits a channel, and a few bytes behind them."""
        ...


_used: list[Extension] = []


def use(*, wanted: bool) -> str:
    """Use the extension from now on, if it is wanted and runs here; say in a sentence what came of it."""
    _used.clear()
    return _sentence(wanted=wanted)


def _sentence(*, wanted: bool) -> str:
    if not wanted:
        return "native extension not used: engine.native is off"
    try:
        found: Any = importlib.import_module(_MODULE)
    except ImportError as error:
        absent = isinstance(error, ModuleNotFoundError) and error.name == _MODULE
        return f"native extension not used: {'not installed (scripts/native does)' if absent else error}"
    extension = cast("Extension", found)
    if lacking := [name for name in extension.NEEDS if not cv2.checkHardwareSupport(_PROCESSOR.get(name, -1))]:
        return f"native extension not used: built for a processor with {', '.join(lacking)}; run scripts/native here"
    _used.append(extension)
    return f"native extension {extension.__version__} in use"


def extension() -> Extension | None:
    """Return the extension if it is in use."""
    return _used[0] if _used else None

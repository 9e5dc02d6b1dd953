"""What is kept of a picture to know it again: type, size, frames, depth and a coarse grid of its colours.

Decoded by Pillow and imagecodecs, which the worker decodes nothing of this kind with.
"""

from __future__ import annotations

import base64
import io
import zlib
from dataclasses import dataclass

import imagecodecs
import numpy as np
import numpy.typing as npt
from PIL import Image as Pillow
from PIL import ImageSequence

GRID = 16


@dataclass(frozen=True, slots=True)
class Facts:
    """`grid`: premultiplied RGBA means, GRID x GRID, of the first frame and (of an animation) of the last one."""

    type: str
    width: int
    height: int
    frames: int
    bits: int
    grid: npt.NDArray[np.uint8]

    def to_json(self) -> dict[str, object]:
        packed = base64.b85encode(zlib.compress(self.grid.tobytes(), 9)).decode()
        return {**{name: getattr(self, name) for name in ("type", "width", "height", "frames", "bits")}, "grid": packed}


def of_json(kept: dict[str, object]) -> Facts:
    """Read what `to_json` wrote."""
    grid = np.frombuffer(zlib.decompress(base64.b85decode(str(kept["grid"]))), np.uint8)
    numbers = {name: int(str(kept[name])) for name in ("width", "height", "frames", "bits")}
    return Facts(str(kept["type"]), grid=grid, **numbers)


def of_answer(content_type: str, body: bytes) -> Facts:
    """Look at an answer."""
    frames = frames_of(body)
    shown = frames if len(frames) == 1 else [frames[0], frames[-1]]
    grid = np.concatenate([_grid(frame) for frame in shown])
    return Facts(content_type, frames[0].width, frames[0].height, len(frames), _bits(body), grid)


def frames_of(body: bytes) -> list[Pillow.Image]:
    """Decode to RGBA frames."""
    if body[:2] == b"\xff\x0a" or body[4:8] == b"JXL ":
        return [Pillow.fromarray(np.asarray(imagecodecs.jpegxl_decode(body))).convert("RGBA")]
    with Pillow.open(io.BytesIO(body)) as picture:
        return [_rgba(frame) for frame in ImageSequence.Iterator(picture)]


def _rgba(frame: Pillow.Image) -> Pillow.Image:
    if frame.mode.startswith("I;16"):
        frame = Pillow.fromarray((np.asarray(frame) / 257).round().astype(np.uint8))
    return frame.convert("RGBA")


def _bits(body: bytes) -> int:
    return body[24] if body[:4] == b"\x89PNG" else 8


def _grid(frame: Pillow.Image) -> npt.NDArray[np.uint8]:
    box = frame.convert("RGBa").resize((GRID, GRID), Pillow.Resampling.BOX)
    return np.frombuffer(box.tobytes(), np.uint8)


def distance(one: Facts, other: Facts) -> tuple[float, float]:
    """Return the mean and the largest difference of two grids of the same shape."""
    apart = np.abs(one.grid.astype(int) - other.grid.astype(int))
    return float(apart.mean()), float(apart.max())

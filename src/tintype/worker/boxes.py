"""Rows of 8-bit images, and whole boxes of pixels averaged, by OpenCV: what both reductions in linear light are made of."""

from __future__ import annotations

from typing import Any, TypeVar

import cv2
import numpy as np
import numpy.typing as npt
import pyvips

from tintype.worker.pixels import Image

T = TypeVar("T", np.uint16, np.uint8)
Bytes = npt.NDArray[np.uint8]
Light = npt.NDArray[np.uint16]  # 0 to 65535; 16 bits are moved in half the time of floats


class Rows:
    """The rows of an image, to be asked for from the top down: decoders cannot go back."""

    def __init__(self, image: Image) -> None:
        # Asked for once: each is a call into libvips, and 8 microseconds.
        self.width, self.height, self.bands = int(image.width), int(image.height), int(image.bands)
        self._region = pyvips.Region.new(image)

    def read(self, top: int, bottom: int) -> Bytes:
        """Return rows x columns x bands."""
        rows = self._region.fetch(0, top, self.width, bottom - top)
        return np.frombuffer(rows, np.uint8).reshape(-1, self.width, self.bands)


def looked_up(pixels: npt.NDArray[Any], table: npt.NDArray[T]) -> npt.NDArray[T]:
    return np.asarray(cv2.LUT(pixels, table), table.dtype).reshape(pixels.shape)


def boxed(light: Light, shape: tuple[int, int]) -> Light:
    """Average whole boxes: so many down and across, of as many pixels each."""
    if light.shape[:2] == shape:
        return light
    return np.asarray(cv2.resize(light, shape[::-1], interpolation=cv2.INTER_AREA), np.uint16)

"""The transfer function of sRGB (IEC 61966-2-1) as tables: 8-bit stored values to 16-bit linear light, and back."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt


@cache
def to_light() -> npt.NDArray[np.uint16]:
    """Return 256 values of light, 0 to 65535."""
    stored = np.arange(256) / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.rint(light * 65535), np.uint16)


@cache
def to_stored() -> npt.NDArray[np.uint8]:
    """Return 65536 stored values: the way back."""
    light = np.arange(65536) / 65535
    stored = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(stored * 255), np.uint8)

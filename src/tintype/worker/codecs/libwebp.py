"""WebP to pixels by libwebp itself, asked for what no wheel offers: to leave out the polish that a reduction hides.

The library that Pillow's wheel brings (a tenth faster than that of imagecodecs) is asked through its C API (webp/decode.h),
whose structures are versioned.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path

import imagecodecs
import numpy as np
import numpy.typing as npt
import PIL

from tintype.worker.pixels import Data

Pixels = npt.NDArray[np.uint8]

# Wheels keep libraries in a folder beside the package (Linux) or inside it (macOS). The first that is found is taken.
_PLACES = (
    *((PIL, place) for place in ("../pillow.libs/libwebp-*.so*", ".dylibs/libwebp.*dylib")),
    *((imagecodecs, place) for place in ("../imagecodecs.libs/libwebp-*.so*", ".dylibs/libwebp.*dylib")),
)
_ABI = 0x0209  # WEBP_DECODER_ABI_VERSION; the library refuses those whose structures are not its own
_MODES = (0, 1)  # MODE_RGB, MODE_RGBA: what is not of four bands is asked for as three
_OK = 0


class _Features(ctypes.Structure):
    """WebPBitstreamFeatures."""

    _fields_ = (
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("has_alpha", ctypes.c_int),
        ("has_animation", ctypes.c_int),
        ("format", ctypes.c_int),
        ("pad", ctypes.c_uint32 * 5),
    )


class _Packed(ctypes.Structure):
    """WebPRGBABuffer, as large as the union that it is in: WebPYUVABuffer is the larger arm of it."""

    _fields_ = (
        ("rgba", ctypes.c_void_p),
        ("stride", ctypes.c_int),
        ("size", ctypes.c_size_t),
        ("pad", ctypes.c_size_t * 7),
    )


class _Output(ctypes.Structure):
    """WebPDecBuffer."""

    _fields_ = (
        ("colorspace", ctypes.c_int),
        ("width", ctypes.c_int),
        ("height", ctypes.c_int),
        ("is_external_memory", ctypes.c_int),
        ("packed", _Packed),
        ("pad", ctypes.c_uint32 * 4),
        ("private_memory", ctypes.c_void_p),
    )


class _Options(ctypes.Structure):
    """WebPDecoderOptions."""

    _fields_ = (
        ("bypass_filtering", ctypes.c_int),
        ("no_fancy_upsampling", ctypes.c_int),
        ("others", ctypes.c_int * 12),  # of cropping, scaling, threads, dithering, flipping: not used
        ("pad", ctypes.c_uint32 * 5),
    )


class _Config(ctypes.Structure):
    """WebPDecoderConfig."""

    _fields_ = (("input", _Features), ("output", _Output), ("options", _Options))


def decoded(data: Data, shape: tuple[int, int, int], *, draft: bool) -> Pixels | None:
    """Return rows x columns x bands of a still image; None where there is none of this shape, or it is damaged.

    A draft has edges of blocks unsmoothed and colours of half the size repeated.
    """
    library, config = _library(), _Config()
    if library is None or not library.WebPInitDecoderConfigInternal(ctypes.byref(config), _ABI):
        return None
    pixels = np.empty(shape, np.uint8)
    output, options = config.output, config.options
    output.colorspace, output.is_external_memory = _MODES[shape[2] == 4], 1
    output.packed.rgba, output.packed.stride, output.packed.size = pixels.ctypes.data, pixels.strides[0], pixels.nbytes
    options.bypass_filtering = options.no_fancy_upsampling = int(draft)
    held = np.frombuffer(data, np.uint8)  # where the bytes are, without a copy
    done = library.WebPDecode(held.ctypes.data, len(held), ctypes.byref(config)) == _OK
    # What is larger than the memory that is lent is refused by libwebp; what is smaller would leave some of it as it was.
    return pixels if done and (output.height, output.width) == shape[:2] else None


@cache
def _library() -> ctypes.CDLL | None:
    paths = [path for package, place in _PLACES for path in sorted(Path(str(package.__file__)).parent.glob(place))]
    try:
        library = ctypes.CDLL(str(paths[0])) if paths else None
        if library is None:
            return None
        library.WebPInitDecoderConfigInternal.argtypes = [ctypes.c_void_p, ctypes.c_int]
        library.WebPDecode.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p]
    except (OSError, AttributeError):
        return None
    return library

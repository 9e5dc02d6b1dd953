"""What imagecodecs does not ask of libjxl: the profile of the space that decoded pixels are in.

The library that its wheel brings is asked through its C API (decode.h, color_encoding.h), whose symbols are versioned.
"""

from __future__ import annotations

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import imagecodecs
import numpy as np

from tintype.worker.pixels import Data

# Wheels keep libraries in a folder beside the package (Linux) or inside it (macOS).
_PLACES = ("../imagecodecs.libs/libjxl-*.so*", ".dylibs/libjxl.*dylib")
_LEAST_VERSION = 8_000  # 0.8: since then the calls below take no pixel format
_MOST_BYTES = 4_000_000  # of a profile; those of printers have 2 MB

_COLOR_KNOWN = 0x100  # JXL_DEC_COLOR_ENCODING
_OF_PIXELS = 1  # JXL_COLOR_PROFILE_TARGET_DATA
_D65, _SRGB_PRIMARIES, _SRGB_TRANSFER, _LINEAR = 1, 1, 13, 8
_GRAY = 1


class _Encoding(ctypes.Structure):
    """JxlColorEncoding."""

    _fields_ = (
        ("color_space", ctypes.c_int),
        ("white_point", ctypes.c_int),
        ("white_point_xy", ctypes.c_double * 2),
        ("primaries", ctypes.c_int),
        ("primaries_xy", ctypes.c_double * 6),
        ("transfer_function", ctypes.c_int),
        ("gamma", ctypes.c_double),
        ("rendering_intent", ctypes.c_int),
    )

    def has_srgb_colours(self) -> bool:
        """Tell whether the colours are those of sRGB, or gray of its white."""
        primaries = self.color_space == _GRAY or self.primaries == _SRGB_PRIMARIES
        return bool(primaries and self.white_point == _D65)


class Profile(NamedTuple):
    """An ICC profile, b"" where colours are those of sRGB or nobody can tell; whether samples are linear light."""

    icc: bytes = b""
    linear: bool = False


def profile(data: Data) -> Profile:
    """Return the profile of what a file decodes to."""
    library = _library()
    decoder = library and library.JxlDecoderCreate(None)
    if library is None or not decoder:
        return Profile()
    try:
        return _profile(library, decoder, data)
    finally:
        library.JxlDecoderDestroy(decoder)


def _profile(library: ctypes.CDLL, decoder: int, data: Data) -> Profile:
    held = np.frombuffer(data, np.uint8)  # where the bytes are, without a copy
    library.JxlDecoderSubscribeEvents(decoder, _COLOR_KNOWN)
    library.JxlDecoderSetInput(decoder, held.ctypes.data, len(held))
    library.JxlDecoderCloseInput(decoder)
    if library.JxlDecoderProcessInput(decoder) != _COLOR_KNOWN:
        return Profile()
    named = _Encoding()
    is_named = not library.JxlDecoderGetColorAsEncodedProfile(decoder, _OF_PIXELS, ctypes.byref(named))
    linear = is_named and named.transfer_function == _LINEAR
    if is_named and named.has_srgb_colours() and (linear or named.transfer_function == _SRGB_TRANSFER):
        return Profile(b"", linear)
    size = ctypes.c_size_t()
    if library.JxlDecoderGetICCProfileSize(decoder, _OF_PIXELS, ctypes.byref(size)) or size.value > _MOST_BYTES:
        return Profile()
    found = ctypes.create_string_buffer(size.value)
    if library.JxlDecoderGetColorAsICCProfile(decoder, _OF_PIXELS, found, size):
        return Profile()
    return Profile(found.raw, linear)


@cache
def _library() -> ctypes.CDLL | None:
    imagecodecs.jpegxl_version()  # has it loaded, with the libraries that it needs
    package = Path(imagecodecs.__file__).parent
    paths = [path for place in _PLACES for path in sorted(package.glob(place))]
    try:
        library = ctypes.CDLL(str(paths[0])) if paths else None
        if library is None or library.JxlDecoderVersion() < _LEAST_VERSION:
            return None
        decoder = ctypes.c_void_p
        library.JxlDecoderCreate.restype = decoder
        library.JxlDecoderCreate.argtypes = [ctypes.c_void_p]
        library.JxlDecoderDestroy.argtypes = [decoder]
        library.JxlDecoderSubscribeEvents.argtypes = [decoder, ctypes.c_int]
        library.JxlDecoderSetInput.argtypes = [decoder, ctypes.c_void_p, ctypes.c_size_t]
        library.JxlDecoderCloseInput.argtypes = [decoder]
        library.JxlDecoderProcessInput.argtypes = [decoder]
        library.JxlDecoderGetColorAsEncodedProfile.argtypes = [decoder, ctypes.c_int, ctypes.c_void_p]
        library.JxlDecoderGetICCProfileSize.argtypes = [decoder, ctypes.c_int, ctypes.c_void_p]
        library.JxlDecoderGetColorAsICCProfile.argtypes = [decoder, ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t]
    except (OSError, AttributeError):
        return None
    return library

"""Whether the body of an answer is an image: decoded as a client would, by other code than the node's where there is some."""

from __future__ import annotations

import io
from collections.abc import Callable

import imagecodecs
import pyvips
from PIL import Image


def flaw(mime: str, body: bytes) -> str:
    """Return what is wrong with a body of a content type, "" if it decodes."""
    decode = _DECODERS.get(mime.partition(";")[0])
    if decode is None:
        return f"an answer of type {mime!r}"
    try:
        decode(body)
    except Exception as error:  # noqa: BLE001 - whatever a decoder raises is the finding
        return f"{mime} that does not decode: {str(error)[:200]}"
    return ""


def _vips(body: bytes) -> None:
    pyvips.Image.new_from_buffer(body, "", fail_on="warning").avg()


def _pillow(body: bytes) -> None:
    Image.open(io.BytesIO(body)).load()


_DECODERS: dict[str, Callable[[bytes], object]] = {
    **dict.fromkeys(("image/jpeg", "image/png", "image/gif", "image/webp", "image/tiff", "image/avif"), _vips),
    "image/svg+xml": _vips,
    "image/bmp": _pillow,
    "image/x-icon": _pillow,
    "image/vnd.microsoft.icon": _pillow,
    "image/jxl": imagecodecs.jpegxl_decode,
}

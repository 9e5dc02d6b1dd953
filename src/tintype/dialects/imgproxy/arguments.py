"""Arguments of options: text to value and back. What cannot be read is `Unreadable`, which says what is allowed."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from tintype.core.formats import Format
from tintype.core.pipeline import Anchor, Color, Fit, Gravity

T = TypeVar("T")

# Largest numbers taken. Go's int goes further, but nothing beyond these has a meaning for an image.
MOST_INT = 2**31 - 1
MOST_BYTES = 2**53
MOST_FLOAT = 1e6

_INT = re.compile(r"[+-]?[0-9]{1,19}")
_FLOAT = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,4})?")
_HEX = re.compile(r"(?:[0-9a-fA-F]{3}){1,2}")
_BASE64 = re.compile(r"[A-Za-z0-9_-]*")
_USUAL = bytes.maketrans(b"-_", b"+/")

# The set of Go's strconv.ParseBool.
_TRUE = frozenset({"1", "t", "T", "true", "TRUE", "True"})

COMMON = {
    "ce": Anchor.CENTER,
    "no": Anchor.NORTH,
    "so": Anchor.SOUTH,
    "ea": Anchor.EAST,
    "we": Anchor.WEST,
    "noea": Anchor.NORTH_EAST,
    "nowe": Anchor.NORTH_WEST,
    "soea": Anchor.SOUTH_EAST,
    "sowe": Anchor.SOUTH_WEST,
}
EXTENDING = {**COMMON, "fp": Anchor.FOCUS}
CROPPING = {**EXTENDING, "sm": Anchor.SMART}
WATERMARKING = {**COMMON, "re": Anchor.TILE}
CODES = {anchor: code for code, anchor in {**CROPPING, **WATERMARKING}.items()}

FITS = {
    "fit": Fit.CONTAIN,
    "fill": Fit.COVER,
    "fill-down": Fit.COVER_DOWN,
    "force": Fit.EXACT,
    "auto": Fit.AUTO,
}
FIT_NAMES = {fit: name for name, fit in FITS.items()}

# "tif" is no name here, as in imgproxy.
FORMATS = {
    "jpg": Format.JPEG,
    "jpeg": Format.JPEG,
    "png": Format.PNG,
    "webp": Format.WEBP,
    "avif": Format.AVIF,
    "gif": Format.GIF,
    "ico": Format.ICO,
    "svg": Format.SVG,
    "heic": Format.HEIC,
    "bmp": Format.BMP,
    "tiff": Format.TIFF,
    "jxl": Format.JXL,
}
FORMAT_NAMES = {fmt: name for name, fmt in reversed(FORMATS.items())}


class Unreadable(ValueError):
    """An argument is not what its option takes; `given` is it, `allowed` says what is taken."""

    def __init__(self, given: str, allowed: str) -> None:
        super().__init__(allowed)
        self.given = given
        self.allowed = allowed


def whole(least: int = 0, most: int = MOST_INT) -> Callable[[str], int]:
    """Return a reader of integers within bounds."""
    allowed = f"a whole number from {least} to {most}"

    def read(text: str) -> int:
        value = int(text) if _INT.fullmatch(text) else None
        if value is None or not least <= value <= most:
            raise Unreadable(text, allowed)
        return value

    return read


def number(least: float = -MOST_FLOAT, most: float = MOST_FLOAT, *, above: bool = False) -> Callable[[str], float]:
    """Return a reader of decimal numbers within bounds; with `above`, `least` itself is out."""
    allowed = f"a number {'above' if above else 'from'} {least:g} {'up ' if above else ''}to {most:g}"

    def read(text: str) -> float:
        value = float(text) if _FLOAT.fullmatch(text) else None
        if value is None or not least <= value <= most or (above and value == least):
            raise Unreadable(text, allowed)
        return value + 0.0  # -0.0 is 0.0

    return read


def megapixels(text: str) -> int:
    """Read megapixels as pixels, to the nearest one, so that what `show_megapixels` writes comes back."""
    return round(_megapixels(text) * 1_000_000)


def boolean(text: str) -> bool:
    # A leniency of imgproxy: what is neither true nor false is false, not an error.
    return text in _TRUE


def fit(text: str) -> Fit:
    return _named(FITS, text)


def image_format(text: str) -> Format:
    return _named(FORMATS, text)


def hex_color(text: str) -> Color:
    """Read rgb or rrggbb."""
    if not _HEX.fullmatch(text):
        raise Unreadable(text, "a colour as 3 or 6 hex digits")
    step = len(text) // 3
    r, g, b = (int((text[i : i + step] * 2)[:2], 16) for i in range(0, len(text), step))
    return Color(r=r, g=g, b=b)


def color(args: Sequence[str]) -> Color | None:
    """Read rgb, rrggbb or three numbers; one empty argument is no colour."""
    if len(args) == 1:
        return hex_color(args[0]) if args[0] else None
    if len(args) != 3:
        raise Unreadable(":".join(args), "3 or 6 hex digits, or three numbers from 0 to 255")
    r, g, b = (_channel(arg) for arg in args)
    return Color(r=r, g=g, b=b)


def gravity(args: Sequence[str], anchors: Mapping[str, Anchor], before: Gravity) -> Gravity:
    """Read type:x:y. Offsets left out keep those from before, as an earlier option or a preset may have set them."""
    anchor = _named(anchors, args[0])
    if anchor is Anchor.SMART:
        _limit(args, 1, "sm without offsets")
        return Gravity(anchor=anchor)
    if anchor is Anchor.FOCUS:
        if len(args) != 3:
            raise Unreadable(":".join(args), "fp:x:y, both from 0 to 1")
        return Gravity(anchor=anchor, x=_share(args[1]), y=_share(args[2]))
    _limit(args, 3, "type:x:y")
    x = _offset(args[1]) if len(args) > 1 else before.x
    y = _offset(args[2]) if len(args) > 2 else before.y
    return Gravity(anchor=anchor, x=x, y=y)


def unbase64(text: str) -> bytes:
    """Decode URL-safe base64, padded or not.

    Raises:
        Unreadable: other characters, or a length that no bytes have.
    """
    text = text.rstrip("=")
    try:
        if _BASE64.fullmatch(text):
            return binascii.a2b_base64(text.encode().translate(_USUAL) + b"=" * (-len(text) % 4))
    except binascii.Error:
        pass
    raise Unreadable(text, "URL-safe base64")


def to_base64(data: bytes) -> str:
    """Encode as URL-safe base64 without padding."""
    return base64.urlsafe_b64encode(data).decode("ascii").rstrip("=")


def show_number(value: float) -> str:
    """Write the shortest text that `number` reads back as the same value."""
    return str(int(value)) if value == int(value) else repr(value)


def show_fit(value: Fit) -> str:
    return FIT_NAMES[value]


def show_megapixels(pixels: int) -> str:
    return show_number(pixels / 1_000_000)


def show_color(value: Color) -> str:
    return f"{value.r:02x}{value.g:02x}{value.b:02x}"


def show_gravity(value: Gravity) -> list[str]:
    if value.anchor is Anchor.SMART:
        return ["sm"]
    return [CODES[value.anchor], show_number(value.x), show_number(value.y)]


def _named(names: Mapping[str, T], text: str) -> T:
    found = names.get(text)
    if found is None:
        raise Unreadable(text, "one of " + ", ".join(names))
    return found


def _limit(args: Sequence[str], most: int, allowed: str) -> None:
    if len(args) > most:
        raise Unreadable(":".join(args), allowed)


_megapixels = number(0)
_channel = whole(0, 255)
_share = number(0, 1)
_offset = number()

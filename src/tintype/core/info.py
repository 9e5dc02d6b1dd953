"""What is known of a source image from its header: found by a probe in a sandboxed worker, kept with the binding."""

from __future__ import annotations

from tintype.core.formats import Format
from tintype.core.values import Name, Value

_CAMERA_PIXELS = 6_000_000


class Space(Name):
    """The colour space the pixels are stored in."""

    SRGB = "srgb"  # RGB, with or without a profile
    GRAY = "gray"
    CMYK = "cmyk"
    LAB = "lab"
    OTHER = "other"


class ImageInfo(Value, frozen=True):
    """Header facts. `width`, `height` in stored pixels of one frame, before EXIF orientation; vectors: intrinsic size."""

    format: Format
    width: int
    height: int
    frames: int = 1
    bands: int = 3
    bits: int = 8
    alpha: bool = False
    orientation: int = 1  # EXIF, 1..8
    space: Space = Space.SRGB
    profile: bool = False  # an embedded ICC profile
    progressive: bool = False  # JPEG, PNG: interlaced
    thumbnail_width: int = 0  # embedded thumbnail (HEIC, AVIF); 0 = none
    thumbnail_height: int = 0

    @property
    def vector(self) -> bool:
        return self.format is Format.SVG

    @property
    def soft(self) -> bool:
        """Whether this is likely what a camera wrote: soft at the pixel, so that a decoder's own reduction does not show.

        Smaller files were mostly reduced before, which makes them sharp.
        """
        return self.pixels >= _CAMERA_PIXELS

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.width * self.height

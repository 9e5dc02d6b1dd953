"""What the options of a URL ask for, field by field, before it is made into a pipeline."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.formats import Format
from tintype.core.pipeline import Color, Fit, Gravity

CENTER = Gravity()


@dataclass  # without slots, as a dict is copied in a tenth of the time of as many fields
class Wanted:
    """The state that options write to, in the order of the URL. Every field holds an immutable value.

    `None` means: not asked, so the tenant's policy (or, for `crop_gravity`, the general gravity) decides.
    """

    fit: Fit = Fit.CONTAIN
    width: int = 0
    height: int = 0
    enlarge: bool = False
    min_width: int = 0
    min_height: int = 0
    zoom: tuple[float, float] = (1.0, 1.0)
    dpr: float = 1.0
    gravity: Gravity = CENTER
    crop: tuple[float, float] = (0.0, 0.0)
    crop_gravity: Gravity | None = None
    extend: bool = False
    extend_gravity: Gravity = CENTER
    extend_aspect: bool = False
    extend_aspect_gravity: Gravity = CENTER
    trim: float | None = None
    trim_color: Color | None = None
    trim_equal_horizontal: bool = False
    trim_equal_vertical: bool = False
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    auto_rotate: bool = True
    rotate: int = 0
    flip_horizontal: bool = False
    flip_vertical: bool = False
    background: Color | None = None
    blur: float = 0.0
    sharpen: float = 0.0
    pixelate: int = 0
    watermark: float = 0.0
    watermark_gravity: Gravity = CENTER
    watermark_scale: float = 0.0
    format: Format | None = None
    quality: int = 0
    format_quality: tuple[tuple[Format, int], ...] = ()
    max_bytes: int = 0
    strip_metadata: bool | None = None
    keep_copyright: bool | None = None
    strip_color_profile: bool | None = None
    preserve_hdr: bool | None = None
    enforce_thumbnail: bool | None = None
    passthrough: tuple[Format, ...] = ()
    source_pixels: int | None = None
    source_bytes: int | None = None
    frames: int | None = None
    frame_pixels: int | None = None
    result_side_px: int | None = None
    buster: str = ""
    filename: str = ""
    attachment: bool | None = None
    expires_at: int = 0
    raw: bool = False
    tags: tuple[str, ...] = ()

    def copy(self) -> Wanted:
        other = object.__new__(Wanted)
        other.__dict__.update(self.__dict__)
        return other

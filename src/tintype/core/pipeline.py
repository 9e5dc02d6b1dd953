"""What was asked: a source, operations and an output, in one canonical order, whatever dialect it came from.

The order of `ops` is fixed by `ORDER`, as every dialect's own order can be written in it:
trim, orient (EXIF), rotate, crop, resize, flip, blur, sharpen, pixelate, extend, extend to aspect, pad, background, watermark.
Crop coordinates and gravity are those of the image as it is shown in the end: oriented, rotated and flipped.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec

from tintype.core.formats import Format
from tintype.core.values import Name, Value, canonical_bytes, fingerprint


class Anchor(Name):
    """Where something is placed in, or taken from, a frame."""

    CENTER = "center"
    NORTH = "north"
    SOUTH = "south"
    EAST = "east"
    WEST = "west"
    NORTH_EAST = "north-east"
    NORTH_WEST = "north-west"
    SOUTH_EAST = "south-east"
    SOUTH_WEST = "south-west"
    SMART = "smart"  # by content (libvips' attention strategy)
    FOCUS = "focus"  # x, y are a point, 0..1 of the frame
    TILE = "tile"  # watermarks only: repeated over the frame, x, y are the gaps


class Gravity(Value, frozen=True):
    """An anchor and an offset from it: |x| >= 1 is pixels (scaled by the pixel ratio), below 1 a share of the frame."""

    anchor: Anchor = Anchor.CENTER
    x: float = 0.0
    y: float = 0.0


class Fit(Name):
    """How an image meets a target box."""

    CONTAIN = "contain"  # the whole image inside the box
    COVER = "cover"  # the box filled, the rest cut away
    COVER_DOWN = "cover-down"  # cover; if the image is smaller than the box, the box's aspect is kept instead
    EXACT = "exact"  # the box, whatever happens to the aspect; a side of 0 keeps the source's
    AUTO = "auto"  # cover if source and box have the same orientation, else contain


class Color(Value, frozen=True):
    """An sRGB colour, 0..255 a channel."""

    r: int = 0
    g: int = 0
    b: int = 0


class Trim(Value, frozen=True):
    """Cut away a border of one colour. `color` None: that of the top left pixel. `threshold` as libvips' find_trim."""

    threshold: float = 10.0
    color: Color | None = None
    equal_horizontal: bool = False
    equal_vertical: bool = False


class Orient(Value, frozen=True):
    """Bring the image upright by its EXIF orientation."""


class Rotate(Value, frozen=True):
    """Turn clockwise by 90, 180 or 270 degrees."""

    angle: int = 90


class Crop(Value, frozen=True):
    """Take a part before resizing. A side >= 1 is pixels, below 1 a share of the source, 0 the full side."""

    width: float = 0.0
    height: float = 0.0
    gravity: Gravity = Gravity()


class Resize(Value, frozen=True):
    """Bring to a size in CSS pixels; the result is `dpr` times that. A side of 0 follows from the other one.

    `gravity` chooses what cover keeps. `enlarge` false never makes the image larger than its source, and lowers the
    effective pixel ratio instead. `min_width`, `min_height` win over the box.
    """

    width: int = 0
    height: int = 0
    fit: Fit = Fit.CONTAIN
    enlarge: bool = False
    gravity: Gravity = Gravity()
    zoom_x: float = 1.0
    zoom_y: float = 1.0
    dpr: float = 1.0
    min_width: int = 0
    min_height: int = 0


class Flip(Value, frozen=True):
    """Mirror left-right (`horizontal`) and top-bottom (`vertical`), after orienting and rotating."""

    horizontal: bool = False
    vertical: bool = False


class Blur(Value, frozen=True):
    """Gaussian blur; sigma in result pixels."""

    sigma: float = 0.0


class Sharpen(Value, frozen=True):
    """Sharpen; sigma in result pixels."""

    sigma: float = 0.0


class Pixelate(Value, frozen=True):
    """Replace by blocks of `size` result pixels."""

    size: int = 0


class Extend(Value, frozen=True):
    """Enlarge the canvas to the resize box where the image is smaller."""

    gravity: Gravity = Gravity()


class ExtendAspect(Value, frozen=True):
    """Enlarge the canvas to the aspect of the resize box."""

    gravity: Gravity = Gravity()


class Pad(Value, frozen=True):
    """Add a border; CSS pixels, scaled by the effective pixel ratio."""

    top: int = 0
    right: int = 0
    bottom: int = 0
    left: int = 0


class Background(Value, frozen=True):
    """Flatten onto a colour."""

    color: Color = Color(r=255, g=255, b=255)


class Watermark(Value, frozen=True):
    """Lay the tenant's watermark over the result. `scale` is relative to the result, 0 = its own size.

    `gravity.anchor` TILE repeats it.
    """

    opacity: float = 1.0
    gravity: Gravity = Gravity()
    scale: float = 0.0


Op: TypeAlias = (
    Trim
    | Orient
    | Rotate
    | Crop
    | Resize
    | Flip
    | Blur
    | Sharpen
    | Pixelate
    | Extend
    | ExtendAspect
    | Pad
    | Background
    | Watermark
)

OpT = TypeVar("OpT", bound=Op)

ORDER: tuple[type[Op], ...] = (
    Trim,
    Orient,
    Rotate,
    Crop,
    Resize,
    Flip,
    Blur,
    Sharpen,
    Pixelate,
    Extend,
    ExtendAspect,
    Pad,
    Background,
    Watermark,
)
_RANK = {kind: rank for rank, kind in enumerate(ORDER)}

# Ops that do nothing at their default are left out, so that `blur 0` and no blur are one pipeline.
_NOTHING: tuple[Op, ...] = (Resize(), Crop(), Flip(), Blur(), Sharpen(), Pixelate(), Pad())


class SourceRef(Value, frozen=True):
    """Where the image is: a canonical URL (http, https, local, s3, gs, abs). `buster` names another binding of it."""

    url: str
    buster: str = ""

    @property
    def host(self) -> str:
        """Who is asked for it, without credentials: host and port, or an object store's scheme and bucket."""
        scheme, colon, rest = self.url.partition("://")
        return _host(f"{scheme}://{rest.partition('/')[0]}") if colon else _host(self.url)


@lru_cache(1024)  # paths differ, hosts repeat
def _host(origin: str) -> str:
    scheme = origin.partition("://")[0].lower()
    try:
        host = urlsplit(origin).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""
    return host if scheme in ("http", "https") else f"{scheme}://{host}"


class Bounds(Value, frozen=True):
    """Bounds that a trusted URL sets for itself, replacing the tenant's; None leaves the tenant's."""

    source_pixels: int | None = None
    source_bytes: int | None = None
    frames: int | None = None
    frame_pixels: int | None = None
    result_side_px: int | None = None


class Output(Value, frozen=True):
    """How the result is written. None means: as the tenant's policy says.

    `quality` 0 and an empty `format_quality` mean the policy's; `max_bytes` 0 means no bound. `passthrough` lists
    source formats that are handed on unprocessed when the output would have the same format.
    """

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


class Pipeline(Value, frozen=True):
    """What was asked. Build with `Pipeline.of`; equal pipelines have equal fingerprints."""

    source: SourceRef
    ops: tuple[Op, ...] = ()
    output: Output = Output()
    bounds: Bounds = Bounds()

    @classmethod
    def of(cls, source: SourceRef, *ops: Op, output: Output | None = None, bounds: Bounds | None = None) -> Pipeline:
        """Build in canonical order, without ops that do nothing.

        Raises:
            ValueError: two ops of one kind.
        """
        kept = sorted((op for op in ops if op not in _NOTHING), key=lambda op: _RANK[type(op)])
        kinds = [type(op) for op in kept]
        if len(set(kinds)) != len(kinds):
            msg = f"a pipeline takes each op once: {[k.__name__ for k in kinds]}"
            raise ValueError(msg)
        output = output or Output()
        output = msgspec.structs.replace(
            output,
            format_quality=tuple(sorted(dict(output.format_quality).items())),
            passthrough=tuple(sorted(set(output.passthrough))),
        )
        return cls(source=source, ops=tuple(kept), output=output, bounds=bounds or Bounds())

    def find(self, kind: type[OpT]) -> OpT | None:
        """Return the op of a kind, or None."""
        for op in self.ops:
            if type(op) is kind:
                return op
        return None

    @property
    def fingerprint(self) -> str:
        """32 hex digits; equal requests have equal ones, whatever dialect they came from."""
        return fingerprint(b"pipeline", canonical_bytes(self))

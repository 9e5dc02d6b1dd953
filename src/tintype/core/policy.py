"""What the tenant and the node allow and prefer: an input of `resolve`, with every number that shapes a result."""

from __future__ import annotations

from tintype.core.formats import Format
from tintype.core.values import Name, Value


class Light(Name):
    """Where pixels are averaged: in stored (gamma) values, as the usual servers do, or in linear light."""

    GAMMA = "gamma"
    LINEAR = "linear"


class ShrinkTable(Name):
    """How far a decoder may scale down while it decodes (see `core.loading`)."""

    MEASURED = "measured"  # never below 1.25 times the target: what looks like a reduction of the full image
    IMGPROXY = "imgproxy"  # down to the target itself, and sizes rounded after decoding, as imgproxy does


class Encoders(Name):
    """How encoders are set where there is no setting for it (`worker.codecs.savers`)."""

    MEASURED = "measured"  # fewest bytes for the picture and the time
    IMGPROXY = "imgproxy"  # the files that imgproxy makes: its JPEG tables, its AVIF tuning


class Policy(Value, frozen=True):
    """The shaping half of a tenant's settings. `auto_*` formats replace an unnamed output format when the client accepts
    them, `enforce_*` replace a named one too. `source_pixels` etc. are bounds, 0 = no bound where noted.
    """

    quality: int = 80
    format_quality: tuple[tuple[Format, int], ...] = ((Format.AVIF, 63), (Format.JXL, 77), (Format.WEBP, 79))
    preferred_formats: tuple[Format, ...] = (Format.JPEG, Format.PNG, Format.GIF)
    auto_formats: tuple[Format, ...] = ()  # of jxl, avif, webp
    enforce_formats: tuple[Format, ...] = ()
    passthrough: tuple[Format, ...] = ()
    client_hints: bool = False
    light: Light = Light.GAMMA
    shrink_on_load: bool = True
    shrink_table: ShrinkTable = ShrinkTable.MEASURED
    rasterize_svg: bool = False
    sanitize_svg: bool = True
    strip_metadata: bool = True
    keep_copyright: bool = True
    strip_color_profile: bool = True
    preserve_hdr: bool = False
    enforce_thumbnail: bool = False
    watermark: bool = False  # the tenant has one; without, watermark ops do nothing
    watermark_opacity: float = 1.0
    # Bounds
    source_pixels: int = 50_000_000  # of one frame
    side_px: int = 250_000  # of a source, and of what is made of it: rows take time, however few pixels they have
    frames: int = 1  # more than one lets animations be animations
    frame_pixels: int = 0  # of one frame of an animation; 0: source_pixels bounds the sum of all frames
    result_side_px: int = 0  # 0 = only the format's own limit
    result_pixels: int = 200_000_000  # canvas after extend and pad
    # Encoders
    encoders: Encoders = Encoders.MEASURED
    jpeg_progressive: bool = False
    png_interlaced: bool = False
    png_quantize: bool = False
    png_colors: int = 256
    webp_effort: int = 2
    webp_preset: str = "default"
    avif_speed: int = 9
    jxl_effort: int = 4
    # Mezzanines (see `core.ladder`)
    ladder: tuple[int, ...] = (1024,)  # longest sides of the rungs in pixels; () = none are made
    ladder_quality: int = 92

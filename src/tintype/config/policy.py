"""What the fields of a tenant's `Policy` mean to an operator, and what they take.

`Policy` travels to workers and has fields of its own kind, so that their documentation is here. A test keeps it complete.
"""

from __future__ import annotations

from typing import Any

from tintype.core.settings import setting


def _doc(text: str, **facts: Any) -> dict[str, Any]:
    return dict(setting(None, text, **facts).metadata)


POLICY: dict[str, dict[str, Any]] = {
    "quality": _doc("Quality of lossy results where nothing else says.", least=1, most=100),
    "format_quality": _doc("Quality by format, before `quality`.", least=1, most=100),
    "preferred_formats": _doc(
        "Formats of results whose URL names none: the source's if it is listed, else the first that fits."
    ),
    "auto_formats": _doc(
        "Formats used instead when the URL names none and the client accepts them; jxl before avif before webp.",
        choices=("jxl", "avif", "webp"),
    ),
    "enforce_formats": _doc(
        "Formats used instead, whatever the URL names, when the client accepts them.", choices=("jxl", "avif", "webp")
    ),
    "passthrough": _doc("Source formats handed on unprocessed when the result would have the same format."),
    "client_hints": _doc(
        "Take width and pixel ratio from the Width and DPR headers, rounded up to few steps, when the URL names none."
    ),
    "light": _doc("Where pixels are averaged: gamma as most servers do, or linear, the better picture."),
    "shrink_on_load": _doc("Decode JPEG and WebP at a reduced size where that is enough."),
    "shrink_table": _doc("When the JPEG decoder may reduce: measured (quality first) or imgproxy (as imgproxy does)."),
    "rasterize_svg": _doc("Render SVG sources to pixels even when the result may be SVG."),
    "sanitize_svg": _doc("Remove scripts and external references from SVG that is handed on."),
    "strip_metadata": _doc("Remove EXIF, XMP and IPTC."),
    "keep_copyright": _doc("Keep copyright and artist when metadata is removed."),
    "strip_color_profile": _doc("Convert to sRGB and leave out the colour profile."),
    "preserve_hdr": _doc("Keep 16 bits a channel where the result's format can."),
    "enforce_thumbnail": _doc("Use the thumbnail embedded in HEIC and AVIF instead of the image."),
    "watermark": _doc("The tenant has a watermark.", derived=True),
    "watermark_opacity": _doc("Opacity that a URL's own is multiplied with.", most=1),
    "source_pixels": _doc("Most pixels of a source; of all frames together unless `frame_pixels` is set.", least=1),
    "side_px": _doc(
        "Longest side of a source, and of what is made of it, as rows take time however short; 0 = no bound."
    ),
    "frames": _doc("Most frames of an animation; 1 makes animations still.", least=1, most=1_000_000),
    "frame_pixels": _doc("Most pixels of one frame of an animation; 0 = `source_pixels` bounds all frames together."),
    "result_side_px": _doc("Longest side of a result in pixels; 0 = the format's own limit."),
    "result_pixels": _doc("Most pixels of a result, with all that is put around it.", least=1),
    "encoders": _doc(
        "How JPEG and AVIF are tuned: measured (the better picture for the bytes) or imgproxy (the files it would make)."
    ),
    "jpeg_progressive": _doc("Write progressive JPEG."),
    "png_interlaced": _doc("Write interlaced PNG."),
    "png_quantize": _doc("Write PNG with a palette."),
    "png_colors": _doc("Colours of a PNG palette.", least=2, most=256),
    "webp_effort": _doc("Effort of the WebP encoder; higher is smaller and slower.", most=6),
    "webp_preset": _doc("What WebP is tuned for.", choices=("default", "photo", "picture", "drawing", "icon", "text")),
    "avif_speed": _doc("Speed of the AVIF encoder; higher is faster and larger.", most=9),
    "jxl_effort": _doc("Effort of the JPEG XL encoder; higher is smaller and slower.", least=1, most=9),
    "ladder": _doc(
        "Longest sides of the smaller masters made of a source that is used again, in pixels; empty = none are made.",
        least=64,
        most=8192,
    ),
    "ladder_quality": _doc("Quality of the smaller masters of photos.", least=50, most=100),
}

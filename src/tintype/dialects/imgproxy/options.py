"""The processing options: one table of names, how many arguments, how they are read and how they are written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tintype.core.errors import BadRequest, NotAllowed
from tintype.dialects.imgproxy import arguments, reading, writing
from tintype.dialects.imgproxy.arguments import Unreadable, show_number
from tintype.dialects.imgproxy.reading import Read, pixels
from tintype.dialects.imgproxy.wanted import Wanted
from tintype.dialects.imgproxy.writing import Write


@dataclass(frozen=True, slots=True)
class Option:
    """One option. The first of `names` is the one that is written; `takes` is its arguments, for people.

    `guarded`: only where the tenant lets URLs set bounds for themselves. `covers`: options that say the same in parts;
    they are written where this one is not allowed.
    """

    names: tuple[str, ...]
    takes: str
    most: int
    read: Read
    write: Write | None = None
    guarded: bool = False
    covers: tuple[str, ...] = ()


def apply(wanted: Wanted, name: str, args: Sequence[str], *, trusted: bool) -> None:
    """Let an option write to the state.

    Raises:
        BadRequest: unknown option, too many arguments, or one that cannot be read.
        NotAllowed: it sets bounds, and `trusted` is false.
    """
    option = BY_NAME.get(name)
    if option is None:
        raise BadRequest(_unknown(name))
    if option.guarded and not trusted:
        raise NotAllowed(f"option {name}: URLs may not set bounds here; allow_security_options lets them")
    if len(args) > option.most:
        raise BadRequest(f"option {name}: got {len(args)} arguments; it takes {option.takes}")
    try:
        option.read(wanted, args)
    except Unreadable as wrong:
        given = wrong.given[:60]
        raise BadRequest(f"option {name}: got {given!a}, allowed is {wrong.allowed}; it takes {option.takes}") from None


def _unknown(name: str) -> str:
    if name in PRO:
        return f"option {name}: only imgproxy Pro has it; leave it out"
    return f"there is no option {name[:60]!a}; see the reference of options, and whether a slash is missing before it"


def _switch(field: str, *names: str) -> Option:
    return Option(names, "true or false", 1, reading.switch(field), writing.one(field, writing.switch))


def _pixels(field: str, *names: str) -> Option:
    return Option(names, "pixels", 1, reading.one(field, pixels), writing.one(field))


def _sigma(field: str, *names: str) -> Option:
    # 0 switches off what a preset has switched on; imgproxy 4 refuses it.
    read = reading.one(field, reading.not_below_zero)
    return Option(names, "sigma, 0 = off", 1, read, writing.one(field, show_number))


def _megapixels(field: str, *names: str) -> Option:
    read, write = reading.one(field, arguments.megapixels), writing.one(field, arguments.show_megapixels)
    return Option(names, "megapixels", 1, read, write, guarded=True)


def _count(field: str, least: int, most: int, takes: str, *names: str, guarded: bool = True) -> Option:
    read = reading.one(field, arguments.whole(least, most))
    return Option(names, takes, 1, read, writing.one(field), guarded=guarded)


_MANY = 1000  # arguments of options that take lists; the URL's length is the bound that counts
_INT, _BIG = arguments.MOST_INT, arguments.MOST_BYTES

# Written in this order. In a URL the order of options makes no difference, but that a repeated one counts last.
OPTIONS: tuple[Option, ...] = (
    Option(
        ("rs", "resize"),
        "type:width:height:enlarge:extend:gravity:x:y",
        8,
        reading.resize,
        writing.changed(writing.resize),
        covers=("rt", "w", "h", "el"),
    ),
    Option(("s", "size"), "width:height:enlarge:extend:gravity:x:y", 7, reading.size),
    Option(
        ("rt", "resizing_type"),
        "fit, fill, fill-down, force or auto",
        1,
        reading.one("fit", arguments.fit),
        writing.one("fit", arguments.show_fit),
    ),
    _pixels("width", "w", "width"),
    _pixels("height", "h", "height"),
    _switch("enlarge", "el", "enlarge"),
    _pixels("min_width", "mw", "min-width"),
    _pixels("min_height", "mh", "min-height"),
    Option(("z", "zoom"), "factor, or x:y", 2, reading.zoom, writing.whole(writing.zoom)),
    Option(("dpr",), "a factor", 1, reading.one("dpr", reading.above_zero), writing.one("dpr", show_number)),
    Option(("ex", "extend"), "enabled:gravity:x:y", 4, reading.extend, writing.changed(writing.extend)),
    Option(
        ("exar", "extend_ar", "extend_aspect_ratio"),
        "enabled:gravity:x:y",
        4,
        reading.extend_aspect,
        writing.changed(writing.extend_aspect),
    ),
    Option(("g", "gravity"), "type:x:y", 3, reading.gravity, writing.changed(writing.gravity)),
    Option(("c", "crop"), "width:height:gravity:x:y", 5, reading.crop, writing.crop),
    Option(("t", "trim"), "threshold:color:equal_hor:equal_ver", 4, reading.trim, writing.trim),
    Option(("pd", "padding"), "top:right:bottom:left", 4, reading.padding, writing.padding),
    _switch("auto_rotate", "ar", "auto_rotate"),
    Option(("rot", "rotate"), "a multiple of 90", 1, reading.rotate, writing.one("rotate")),
    Option(("fl", "flip"), "horizontal:vertical", 2, reading.flip, writing.changed(writing.flip)),
    Option(
        ("bg", "background"),
        "hex digits, R:G:B, or nothing for none",
        3,
        reading.background,
        writing.changed(writing.background),
    ),
    _sigma("blur", "bl", "blur"),
    _sigma("sharpen", "sh", "sharpen"),
    _pixels("pixelate", "pix", "pixelate"),
    Option(("wm", "watermark"), "opacity:position:x:y:scale", 7, reading.watermark, writing.watermark),
    _switch("strip_metadata", "sm", "strip_metadata"),
    _switch("keep_copyright", "kcr", "keep_copyright"),
    _switch("strip_color_profile", "scp", "strip_color_profile"),
    _switch("preserve_hdr", "ph", "preserve_hdr"),
    _switch("enforce_thumbnail", "eth", "enforce_thumbnail"),
    _count("quality", 0, 100, "0 to 100, 0 = as configured", "q", "quality", guarded=False),
    Option(
        ("fq", "format_quality"),
        "format:quality, any number of times",
        _MANY,
        reading.format_quality,
        writing.format_quality,
    ),
    _count("max_bytes", 0, _INT, "bytes", "mb", "max_bytes", guarded=False),
    # Written after the source, as its extension.
    Option(("f", "format", "ext"), "a format", 1, reading.one("format", arguments.image_format)),
    Option(("skp", "skip_processing"), "formats", _MANY, reading.skip, writing.skip),
    _switch("raw", "raw"),
    Option(("cb", "cachebuster"), "any text", 1, reading.one("buster", str), writing.one("buster")),
    _count("expires_at", 0, _BIG, "Unix seconds", "exp", "expires", guarded=False),
    Option(("fn", "filename"), "name:is_base64", 2, reading.filename, writing.filename),
    _switch("attachment", "att", "return_attachment"),
    # imgproxy has it from 4.1 on, in its paid edition.
    Option(("ct", "cache_tags"), "tags, to purge by", reading.MOST_TAGS, reading.tags, writing.tags),
    _megapixels("source_pixels", "msr", "max_src_resolution"),
    _count("source_bytes", 0, _BIG, "bytes", "msfs", "max_src_file_size"),
    _count("frames", 1, _INT, "frames", "maf", "max_animation_frames"),
    _megapixels("frame_pixels", "mafr", "max_animation_frame_resolution"),
    _count("result_side_px", 0, _INT, "pixels", "mrd", "max_result_dimension"),
)

BY_NAME: Mapping[str, Option] = {name: option for option in OPTIONS for name in option.names}

PRESET_NAMES = frozenset({"pr", "preset"})

# Options of imgproxy's paid edition, so that the refusal can say so.
PRO = frozenset(
    """
    resizing_algorithm ra objects_position obj_pos op crop_aspect_ratio crop_ar car background_alpha bga adjust a
    brightness br contrast co saturation sa monochrome mc duotone dt unsharp_masking ush blur_areas ba
    progressive_blur pbl blur_detections bd draw_detections dd crop_objects c_obj colorize col gradient gr
    watermark_url wmu watermark_text wmt watermark_size wms watermark_rotate wm_rot wmr watermark_shadow wmsh
    style st dpi color_profile cp icc autoquality aq jpeg_options jpgo png_options pngo webp_options webpo
    avif_options avifo page pg pages pgs disable_animation da video_thumbnail_second vts video_thumbnail_keyframes vtk
    video_thumbnail_tile vtt video_thumbnail_animation vta fallback_image_url fiu bypass_cache bc
    hashsum hs
    """.split()  # noqa: SIM905 - a list of words reads better than sixty lines
)

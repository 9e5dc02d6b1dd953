"""How each option reads its arguments into the state."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from tintype.core.pipeline import Gravity
from tintype.dialects.imgproxy import arguments
from tintype.dialects.imgproxy.arguments import Unreadable, boolean
from tintype.dialects.imgproxy.wanted import Wanted

Read: TypeAlias = Callable[[Wanted, Sequence[str]], None]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_TAG = re.compile(r"[A-Za-z0-9_.~-]{1,128}")
MOST_TAGS = 32

pixels = arguments.whole()
above_zero = arguments.number(0, above=True)
not_below_zero = arguments.number(0)
percent = arguments.whole(0, 100)
_angle = arguments.whole(-36_000, 36_000)
_opacity = arguments.number(0, 1)


def one(field: str, read: Callable[[str], Any]) -> Read:
    """An option that is one field."""

    def apply_one(wanted: Wanted, args: Sequence[str]) -> None:
        setattr(wanted, field, read(args[0]))

    return apply_one


def each(*fields: tuple[str, Callable[[str], Any]]) -> Read:
    """An option of several fields; an argument that is empty or left out leaves its field as it was."""

    def apply_each(wanted: Wanted, args: Sequence[str]) -> None:
        for (field, read), arg in zip(fields, args, strict=False):
            if arg:
                setattr(wanted, field, read(arg))

    return apply_each


def switch(field: str) -> Read:
    return one(field, boolean)


def resize(wanted: Wanted, args: Sequence[str]) -> None:
    if args[0]:
        wanted.fit = arguments.fit(args[0])
    size(wanted, args[1:])


def size(wanted: Wanted, args: Sequence[str]) -> None:
    _SIZE(wanted, args[:3])
    if len(args) > 3 and args[3]:
        extend(wanted, args[3:])


_SIZE = each(("width", pixels), ("height", pixels), ("enlarge", boolean))


def zoom(wanted: Wanted, args: Sequence[str]) -> None:
    x = above_zero(args[0])
    wanted.zoom = (x, above_zero(args[1]) if len(args) > 1 else x)


def gravity(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.gravity = arguments.gravity(args, arguments.CROPPING, wanted.gravity)


def extend(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.extend = boolean(args[0])
    if len(args) > 1:
        wanted.extend_gravity = arguments.gravity(args[1:], arguments.EXTENDING, wanted.extend_gravity)


def extend_aspect(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.extend_aspect = boolean(args[0])
    if len(args) > 1:
        wanted.extend_aspect_gravity = arguments.gravity(args[1:], arguments.EXTENDING, wanted.extend_aspect_gravity)


def crop(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.crop = (not_below_zero(args[0]), not_below_zero(args[1]) if len(args) > 1 else wanted.crop[1])
    if len(args) > 2:
        wanted.crop_gravity = arguments.gravity(args[2:], arguments.CROPPING, wanted.crop_gravity or Gravity())


def trim(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.trim = not_below_zero(args[0]) if args[0] else None
    wanted.trim_color = arguments.hex_color(args[1]) if len(args) > 1 and args[1] else None
    _TRIM(wanted, args[2:])


_TRIM = each(("trim_equal_horizontal", boolean), ("trim_equal_vertical", boolean))


def padding(wanted: Wanted, args: Sequence[str]) -> None:
    given = [pixels(arg) if arg else None for arg in args] + [None] * (4 - len(args))
    top = wanted.padding[0] if given[0] is None else given[0]
    right = top if given[1] is None else given[1]
    bottom = top if given[2] is None else given[2]
    wanted.padding = (top, right, bottom, right if given[3] is None else given[3])


def rotate(wanted: Wanted, args: Sequence[str]) -> None:
    angle = _angle(args[0])
    if angle % 90:
        raise Unreadable(args[0], "a multiple of 90")
    wanted.rotate = angle % 360


flip = each(("flip_horizontal", boolean), ("flip_vertical", boolean))


def background(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.background = arguments.color(args)


def watermark(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.watermark = _opacity(args[0])
    # imgproxy 4 refuses a scale of 0, the default it documents; we take it. Arguments six and seven count for nothing.
    anchor, x, y, scale = (*args[1:5], "", "", "", "")[:4]
    before = wanted.watermark_gravity
    if anchor or x or y:
        spelled = [anchor or arguments.CODES[before.anchor], x or repr(before.x), y or repr(before.y)]
        wanted.watermark_gravity = arguments.gravity(spelled, arguments.WATERMARKING, before)
    if scale:
        wanted.watermark_scale = not_below_zero(scale)


def format_quality(wanted: Wanted, args: Sequence[str]) -> None:
    if len(args) % 2:
        raise Unreadable(args[-1], "pairs of format and quality")
    pairs = {arguments.image_format(name): percent(value) for name, value in zip(args[::2], args[1::2], strict=True)}
    merged = {**dict(wanted.format_quality), **pairs}
    wanted.format_quality = tuple((fmt, quality) for fmt, quality in merged.items() if quality)


def skip(wanted: Wanted, args: Sequence[str]) -> None:
    wanted.passthrough = (*wanted.passthrough, *(arguments.image_format(arg) for arg in args))


def tags(wanted: Wanted, args: Sequence[str]) -> None:
    for tag in args:
        if not _TAG.fullmatch(tag):
            raise Unreadable(tag, "up to 128 letters, digits and any of _ - . ~ for a tag")
    wanted.tags = tuple(sorted(set(args)))


def filename(wanted: Wanted, args: Sequence[str]) -> None:
    name = args[0]
    if len(args) > 1 and boolean(args[1]):
        try:
            name = arguments.unbase64(name).decode()
        except UnicodeDecodeError:
            raise Unreadable(name, "URL-safe base64 of UTF-8") from None
    if _CONTROL.search(name):  # it becomes part of a header
        raise Unreadable(name, "a name without control characters")
    wanted.filename = name

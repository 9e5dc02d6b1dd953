"""How each option is written: the arguments that turn the state a request begins with into the one wanted.

A writer returns None where nothing needs to be said.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from tintype.dialects.imgproxy import arguments
from tintype.dialects.imgproxy.arguments import show_color, show_gravity, show_number
from tintype.dialects.imgproxy.wanted import Wanted

_PLAIN_NAME = re.compile(r"[A-Za-z0-9_.-]+")

Write: TypeAlias = Callable[[Wanted, Wanted], list[str] | None]


def changed(show: Callable[[Wanted], list[str]], least: int = 1) -> Write:
    """Write all arguments if any differs; those at the end that are as in the base are left out, down to `least`."""

    def write(wanted: Wanted, base: Wanted) -> list[str] | None:
        args, known = show(wanted), show(base)
        if args == known:
            return None
        # A focus point always has both coordinates.
        while len(args) > least and len(args) == len(known) and args[-1] == known[-1] and "fp" not in args:
            args, known = args[:-1], known[:-1]
        return args

    return write


def whole(show: Callable[[Wanted], list[str]]) -> Write:
    """Write all arguments if any differs."""

    def write(wanted: Wanted, base: Wanted) -> list[str] | None:
        args = show(wanted)
        return None if args == show(base) else args

    return write


def one(field: str, show: Callable[[Any], str] = str) -> Write:
    """Write an option that is one field; None, which is "not asked", has no word."""

    def write(wanted: Wanted, base: Wanted) -> list[str] | None:
        value = getattr(wanted, field)
        return None if value is None or value == getattr(base, field) else [show(value)]

    return write


def switch(value: object) -> str:
    return "1" if value else "0"


def resize(wanted: Wanted) -> list[str]:
    return [arguments.FIT_NAMES[wanted.fit], str(wanted.width), str(wanted.height), switch(wanted.enlarge)]


def zoom(wanted: Wanted) -> list[str]:
    x, y = wanted.zoom
    return [show_number(x)] if x == y else [show_number(x), show_number(y)]


def extend(wanted: Wanted) -> list[str]:
    return [switch(wanted.extend), *show_gravity(wanted.extend_gravity)]


def extend_aspect(wanted: Wanted) -> list[str]:
    return [switch(wanted.extend_aspect), *show_gravity(wanted.extend_aspect_gravity)]


def gravity(wanted: Wanted) -> list[str]:
    return show_gravity(wanted.gravity)


def flip(wanted: Wanted) -> list[str]:
    return [switch(wanted.flip_horizontal), switch(wanted.flip_vertical)]


def background(wanted: Wanted) -> list[str]:
    return ["" if wanted.background is None else show_color(wanted.background)]


def crop(wanted: Wanted, base: Wanted) -> list[str] | None:
    if (wanted.crop, wanted.crop_gravity) == (base.crop, base.crop_gravity):
        return None
    # Once a preset has given a crop a gravity of its own, it can only be changed.
    own = wanted.crop_gravity or (wanted.gravity if base.crop_gravity else None)
    return [*map(show_number, wanted.crop), *(show_gravity(own) if own else [])]


def trim(wanted: Wanted, base: Wanted) -> list[str] | None:
    if wanted.trim is None:
        return None if base.trim is None else [""]
    return changed(_trim)(wanted, base)


def _trim(wanted: Wanted) -> list[str]:
    return [
        "" if wanted.trim is None else show_number(wanted.trim),
        "" if wanted.trim_color is None else show_color(wanted.trim_color),
        switch(wanted.trim_equal_horizontal),
        switch(wanted.trim_equal_vertical),
    ]


def padding(wanted: Wanted, base: Wanted) -> list[str] | None:
    if wanted.padding == base.padding:
        return None
    top, right, bottom, left = wanted.padding
    sides = [top, right, bottom, left]
    for keep, same in ((3, left == right), (2, bottom == top), (1, right == top)):
        if len(sides) == keep + 1 and same:
            sides = sides[:keep]
    return [str(side) for side in sides]


def watermark(wanted: Wanted, base: Wanted) -> list[str] | None:
    if not wanted.watermark:
        return None if not base.watermark else ["0"]
    return changed(_watermark)(wanted, base)


def _watermark(wanted: Wanted) -> list[str]:
    return [show_number(wanted.watermark), *show_gravity(wanted.watermark_gravity), show_number(wanted.watermark_scale)]


def format_quality(wanted: Wanted, base: Wanted) -> list[str] | None:
    now, before = dict(wanted.format_quality), dict(base.format_quality)
    differing = {fmt: now.get(fmt, 0) for fmt in sorted({*now, *before}) if now.get(fmt) != before.get(fmt)}
    return [arg for fmt, quality in differing.items() for arg in (arguments.FORMAT_NAMES[fmt], str(quality))] or None


def skip(wanted: Wanted, base: Wanted) -> list[str] | None:
    return [arguments.FORMAT_NAMES[fmt] for fmt in sorted({*wanted.passthrough} - {*base.passthrough})] or None


def tags(wanted: Wanted, base: Wanted) -> list[str] | None:
    return None if wanted.tags == base.tags else list(wanted.tags)


def filename(wanted: Wanted, base: Wanted) -> list[str] | None:
    if wanted.filename == base.filename:
        return None
    if _PLAIN_NAME.fullmatch(wanted.filename):
        return [wanted.filename]
    return [arguments.to_base64(wanted.filename.encode()), "1"]

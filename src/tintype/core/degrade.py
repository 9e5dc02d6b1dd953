"""Degraded answers: in which ways an answer may be less than what was asked for, and which kept results can stand in for one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.geometry import Size
from tintype.core.offer import NEGOTIABLE
from tintype.core.pipeline import Background, Crop, Flip, Orient, Pipeline, Resize, Rotate
from tintype.core.policy import Light, Policy


class Degraded(StrEnum):
    """What is less, in the order in which it is tried."""

    STALE = "stale"  # an older result of the same URL
    FORMAT = "format"  # a format that is quicker to write, of those the client accepts
    EFFORT = "effort"  # less care in scaling and writing
    LARGER = "larger"  # the same picture in a larger size


# A larger result that stands in for a smaller one has at most so many times its sides.
_MOST_TIMES = 4
# Ops under which a result is the same picture in every size. The others count in pixels of the result.
_SCALABLE = (Orient, Rotate, Crop, Resize, Flip, Background)


class Kept(NamedTuple):
    """A result that was answered with lately, and may be in a cache yet.

    Attributes:
        key: of the result.
        asked: the URL's pipeline and the client's offer, as a text.
        shape: see `shape_of`; "" = none.
        format: of the result.
        size: of the result.
        degraded: what it was less in already.
    """

    key: str
    asked: str
    shape: str
    format: Format
    size: Size
    degraded: Degraded | None = None


class Wish(NamedTuple):
    """What a kept result is to stand in for. `size` None: unknown. `accepts`: formats that will do, besides the old ones."""

    asked: str
    shape: str
    size: Size | None
    accepts: tuple[Format, ...]


def lighter(policy: Policy) -> Policy:
    """Return the policy with less effort, where that saves 15 % of a render or more (`python -m bench.lighter`).

    The efforts of JPEG XL (9 %) and PNG stay: there is nothing to save.
    """
    return replace(policy, light=Light.GAMMA, webp_effort=0, avif_speed=9)


@lru_cache(4096)
def shape_of(pipeline: Pipeline) -> str:
    """Return what pipelines have in common whose results are one picture in several sizes; "" = its size is a part of it."""
    resize = pipeline.find(Resize) or Resize()
    if (
        not all(isinstance(op, _SCALABLE) for op in pipeline.ops)
        or max(abs(resize.gravity.x), abs(resize.gravity.y)) >= 1
    ):
        return ""
    sizeless = replace(resize, width=0, height=0, zoom_x=1.0, zoom_y=1.0, dpr=1.0, min_width=0, min_height=0)
    others = (op for op in pipeline.ops if not isinstance(op, Resize))
    same = Pipeline.of(pipeline.source, *others, sizeless, output=pipeline.output, bounds=pipeline.bounds)
    return same.fingerprint


def stand_ins(kept: Sequence[Kept], wish: Wish, allowed: Sequence[str]) -> Iterator[tuple[Degraded, Kept]]:
    """Return which kept results may be given instead of what is wished for, the best first."""
    if Degraded.STALE in allowed:
        yield from ((one.degraded or Degraded.STALE, one) for one in kept if one.asked == wish.asked)
    if Degraded.LARGER in allowed and wish.size is not None and wish.shape:
        fitting = (one for one in kept if one.shape == wish.shape and _will_do(one, wish.size, wish.accepts))
        yield from ((Degraded.LARGER, one) for one in sorted(fitting, key=lambda one: one.size.pixels))


def _will_do(one: Kept, wanted: Size, accepts: tuple[Format, ...]) -> bool:
    """Tell whether a result shows what one of the wanted size would: no smaller, of its aspect, in a format that is taken."""
    readable = one.format not in NEGOTIABLE or one.format in accepts
    grown = one.size.width >= wanted.width and one.size.height >= wanted.height
    bounded = max(one.size.width / wanted.width, one.size.height / wanted.height) <= _MOST_TIMES
    return readable and grown and bounded and _same_aspect(one.size, wanted)


def _same_aspect(one: Size, other: Size) -> bool:
    """Tell whether two sizes may be of one aspect: sides are rounded to whole pixels, each by a half at most."""
    off = abs(one.width * other.height - one.height * other.width)
    return off <= max(one.width + other.width, one.height + other.height) / 2

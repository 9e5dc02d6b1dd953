"""The mezzanine ladder: which smaller masters a source may have, which of them a result is made from, and how one is made.

A camera photo costs 30 to 60 ms to decode whatever is made of it; a rung of it costs five. Rungs are always made from the
original, in the working space and not turned, so that a plan's boxes hold on them as they do on what a decoder scales.
They are made of whole boxes of pixels, averaged in linear light: a fifth of the work of any other reduction, and what is
made of them looks as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.geometry import Size, half_up
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Rung
from tintype.core.policy import Policy

# A rung is used for results up to its size divided by this. Photos of 12 megapixels, in linear light: at 1.33 SSIMULACRA2
# falls by 0.9 against a result of the original, at 2 by 0.5, at 1.14 by 1.7.
MARGIN = 1.25
# A source is worth a rung of half of its sides and less.
_WORTH = 2
# From which use on a rung is made for one result alone.
_USES = 3
# What a decoder can halve on the way, which looks as good as if it did not where the file is soft: the boxes are even then.
_HALVED = frozenset((Format.JPEG,))

# Sources that hold photos as a rule, and are as lossy as a rung. What may be flat or transparent gets a lossless form.
_PHOTOS = frozenset((Format.JPEG, Format.WEBP, Format.AVIF, Format.HEIC, Format.JXL))
_MASTERED = _PHOTOS | {Format.PNG, Format.TIFF, Format.BMP}


def ladder_of(info: ImageInfo, policy: Policy) -> tuple[Rung, ...]:
    """Return the rungs that a source may have, the smallest first: none if it is small, animated, deep or a vector."""
    if info.format not in _MASTERED or info.frames > 1 or info.bits > 8:
        return ()
    photo = info.format in _PHOTOS and not info.alpha
    kind, quality = (Format.JPEG, policy.ladder_quality) if photo else (Format.PNG, 0)
    rungs = [Rung(side=side, format=kind, quality=quality) for side in sorted(policy.ladder)]
    return tuple([rung for rung in rungs if _worth(info, rung)])


def _worth(info: ImageInfo, rung: Rung) -> bool:
    sides = info.width, info.height
    return max(sides) >= rung.side * _WORTH and min(sides) >= rung_box(info, rung)


def rung_size(info: ImageInfo, rung: Rung) -> Size:
    """Return the size of a rung in pixels, as stored."""
    box = rung_box(info, rung)
    return Size(info.width // box, info.height // box)


def rung_box(info: ImageInfo, rung: Rung) -> int:
    """Return how many pixels of the original, on either side, become one of a rung: the rung has 3/4 to 3/2 of its side."""
    part = decoder_part(info)
    return part * half_up(max(info.width, info.height) / (part * rung.side))


def decoder_part(info: ImageInfo) -> int:
    """Return by how much the decoder reduces the original that a rung is made of."""
    return 2 if info.format in _HALVED and info.soft else 1


class Forgone(NamedTuple):
    """What a rung that is not there would have saved: how many results would have used it, and CPU milliseconds in all."""

    uses: int = 0
    ms: float = 0.0

    def plus(self, savings_ms: Sequence[float]) -> Forgone:
        return Forgone(self.uses + len(savings_ms), self.ms + sum(savings_ms))


def due(before: Forgone, savings_ms: Sequence[float], price_ms: float) -> bool:
    """Tell whether a rung is to be made with the results that are asked for now, which it would save so much each.

    It is, once what it would have saved by now, these results included, pays for it: the rule of who rents skis until the
    rents are the price of a pair. A result that comes alone is the third at least, so that a source that is asked for twice
    and never again costs nothing.
    """
    total = before.plus(savings_ms)
    return total.ms >= price_ms and (total.uses >= _USES or len(savings_ms) > 1)


def rung_for(reduction: float, info: ImageInfo, rungs: Sequence[Rung]) -> Rung | None:
    """Return the smallest of `rungs` that a result may be made from, if there is one.

    `reduction` is by how much the whole image shrinks, on the side that shrinks less; `rungs` are of its ladder.
    """
    least = max(info.width, info.height) * MARGIN / reduction
    for rung in rungs:
        if max(rung_size(info, rung)) >= least:
            return rung
    return None


def from_rung(load: Load, info: ImageInfo, rung: Rung) -> Load:
    """Return the load of a rung at its own size, in place of that of the original."""
    size = rung_size(info, rung)
    return replace(load, format=rung.format, rung=rung, width=size.width, height=size.height)

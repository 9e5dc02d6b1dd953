"""The mezzanine ladder: which smaller masters a source may have, which of them a result is made from, and how one is made.

A camera photo costs 30 to 60 ms to decode whatever is made of it; a rung of it costs five. Rungs are always made from the
original, in the working space and not turned, so that a plan's boxes hold on them as they do on what a decoder scales.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from tintype.core.formats import Format
from tintype.core.geometry import Size, scaled
from tintype.core.info import ImageInfo
from tintype.core.plan import Load, Rung
from tintype.core.policy import Policy

# A rung is used for results up to its size divided by this. Photos of 12 megapixels, in linear light: at 1.33 SSIMULACRA2
# falls by 0.9 against a result of the original, at 2 by 0.5, at 1.14 by 1.7.
MARGIN = 1.25
# A source is worth a rung if that has no more than this part of its pixels.
_WORTH = 1 / 4

# Sources that hold photos as a rule, and are as lossy as a rung. What may be flat or transparent gets a lossless form.
_PHOTOS = frozenset((Format.JPEG, Format.WEBP, Format.AVIF, Format.HEIC, Format.JXL))
_MASTERED = _PHOTOS | {Format.PNG, Format.TIFF, Format.BMP}


def ladder_of(info: ImageInfo, policy: Policy) -> tuple[Rung, ...]:
    """Return the rungs that a source may have, the smallest first: none if it is small, animated, deep or a vector."""
    if info.format not in _MASTERED or info.frames > 1 or info.bits > 8:
        return ()
    photo = info.format in _PHOTOS and not info.alpha
    kind, quality = (Format.JPEG, policy.ladder_quality) if photo else (Format.PNG, 0)
    rungs = (Rung(side=side, format=kind, quality=quality, light=policy.light) for side in sorted(policy.ladder))
    return tuple(rung for rung in rungs if rung_size(info, rung).pixels <= info.pixels * _WORTH)


def rung_size(info: ImageInfo, rung: Rung) -> Size:
    """Return the size of a rung in pixels, as stored."""
    by = 1 / (max(info.width, info.height) / rung.side)  # to the last bit as a resize to fit a square decides it
    return Size(max(1, scaled(info.width, by)), max(1, scaled(info.height, by)))


def rung_for(reduction: float, info: ImageInfo, policy: Policy, rungs: Sequence[Rung]) -> Rung | None:
    """Return the smallest of `rungs` that a result may be made from, if there is one.

    `reduction` is by how much the whole image shrinks, on the side that shrinks less; `rungs` are those there are.
    """
    least = max(info.width, info.height) * MARGIN / reduction
    return next((rung for rung in ladder_of(info, policy) if rung in rungs and rung.side >= least), None)


def from_rung(load: Load, info: ImageInfo, rung: Rung) -> Load:
    """Return the load of a rung at its own size, in place of that of the original."""
    size = rung_size(info, rung)
    return replace(load, format=rung.format, rung=rung, **size._asdict())

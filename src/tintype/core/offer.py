"""What a client offers: the formats it says it accepts, and its hints. A normalised form, so that few variants exist."""

from __future__ import annotations

import math

from tintype.core.formats import Format
from tintype.core.values import Value


class Offer(Value, frozen=True):
    """The negotiable part of a request.

    Attributes:
        accepts: modern formats named in Accept (jxl, avif, webp), sorted; wildcards count for nothing, as browsers send them
            without meaning it.
        dpr: device pixel ratio hint in quarters, 0 = none.
        width: layout width hint in physical pixels, one of a ladder of 144, 0 = none.
    """

    accepts: tuple[Format, ...] = ()
    dpr: float = 0.0
    width: int = 0


NEGOTIABLE = (Format.JXL, Format.AVIF, Format.WEBP)


# Widths go up in steps of 16 to 512, from there in 16 steps to each power of two: at most 1/16 more than asked for.
_STEP, _RUNGS = 16, 16
_DPR_STEPS = 4  # to 1


def offer_of(accept: str, *, dpr: str = "", width: str = "") -> Offer:
    """Read the values of Accept, DPR and Width headers; what cannot be read is no hint.

    Headers are not signed, so hints are rounded up to few values: one URL has at most 144 hinted widths and 32 ratios
    however many are sent. DPR counts in 0 < dpr <= 8, Width in 0 < width <= 65,535.
    """
    accepts = tuple(sorted(f for f in NEGOTIABLE if f"image/{f.value}" in accept.lower()))
    ratio = math.ceil(_number(dpr, 8.0) * _DPR_STEPS) / _DPR_STEPS
    return Offer(accepts=accepts, dpr=ratio, width=_rung(math.ceil(_number(width, 65535.0))))


def _rung(width: int) -> int:
    step = max(_STEP, (1 << max(width - 1, 0).bit_length()) // 2 // _RUNGS)
    return -(-width // step) * step


def _number(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 < value <= most else 0.0

"""What a client offers: the formats it says it accepts, and its hints. A normalised form, so that few variants exist."""

from __future__ import annotations

from tintype.core.formats import Format
from tintype.core.values import Value


class Offer(Value, frozen=True):
    """The negotiable part of a request.

    Attributes:
        accepts: modern formats named in Accept (jxl, avif, webp), sorted; wildcards count for nothing, as browsers send them
            without meaning it.
        dpr: device pixel ratio hint, 0 = none. width: layout width hint in physical pixels, 0 = none.
    """

    accepts: tuple[Format, ...] = ()
    dpr: float = 0.0
    width: int = 0


NEGOTIABLE = (Format.JXL, Format.AVIF, Format.WEBP)


def offer_of(accept: str, *, dpr: str = "", width: str = "") -> Offer:
    """Read the values of Accept, DPR and Width headers; what cannot be read is no hint. DPR counts in 0 < dpr <= 8."""
    accepts = tuple(sorted(f for f in NEGOTIABLE if f"image/{f.value}" in accept.lower()))
    return Offer(accepts=accepts, dpr=_number(dpr, 8.0), width=int(_number(width, 65535.0)))


def _number(text: str, most: float) -> float:
    try:
        value = float(text)
    except ValueError:
        return 0.0
    return value if 0.0 < value <= most else 0.0

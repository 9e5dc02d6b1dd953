"""Quality lowered until a result fits into a number of bytes."""

from __future__ import annotations

from tintype.core.formats import FACTS
from tintype.core.geometry import half_up
from tintype.core.plan import Save
from tintype.worker import codecs
from tintype.worker.pixels import Image

_LEAST_QUALITY = 10


def encode_within(image: Image, save: Save) -> bytes:
    """Encode, in steps of lower quality until the body has at most `save.max_bytes`, or the quality is 10 or less."""
    quality = save.quality
    body = codecs.encode(image, save, quality)
    if not save.max_bytes or not FACTS[save.format].quality:
        return body
    while len(body) > save.max_bytes and quality > _LEAST_QUALITY:
        quality = lower(quality, len(body) / save.max_bytes)
        body = codecs.encode(image, save, quality)
    return body


def lower(quality: int, overshoot: float) -> int:
    """Return the next quality to try, as imgproxy does: the further beyond the bound, the lower, and always lower."""
    factor = 0.25 if overshoot > 3 else 0.5 if overshoot > 1.5 else 0.75
    return max(1, min(quality - 1, half_up(quality * factor)))

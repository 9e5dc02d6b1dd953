"""What a dialect reads from a URL: the pipeline, and how its result is to be delivered."""

from __future__ import annotations

from tintype.core.pipeline import Pipeline
from tintype.core.values import Value


class Delivery(Value, frozen=True):
    """What shapes the answer but not the image.

    Attributes:
        filename: stem for Content-Disposition, "" = from the source's URL.
        attachment: None = as the tenant's policy says.
        expires_at: Unix seconds after which the URL is void, 0 = never; also caps max-age.
        raw: hand on the source's bytes, untouched and unchecked.
        tags: names under which the result can be purged.
    """

    filename: str = ""
    attachment: bool | None = None
    expires_at: int = 0
    raw: bool = False
    tags: tuple[str, ...] = ()


class Asked(Value, frozen=True):
    """A verified, parsed request. `key`: the name of the key that it was signed with; "" = none."""

    pipeline: Pipeline
    delivery: Delivery = Delivery()
    key: str = ""

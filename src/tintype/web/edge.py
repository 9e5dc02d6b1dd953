"""What a cache of our own in front (nginx) is told: how long it may answer by itself before it asks again."""

from __future__ import annotations

import re

from tintype.core.asked import Delivery
from tintype.core.binding import Binding
from tintype.core.tenant import DeliverySettings
from tintype.web.memo import Headers

_AGE = re.compile(r"(s-maxage|max-age)=(\d{1,10})")
_UNSHARED = ("private", "no-store", "no-cache")


def edge_age(settings: DeliverySettings, delivery: Delivery, binding: Binding, control: str) -> Headers:
    """Return X-Accel-Expires for an answer with this Cache-Control; nothing while the tenant does not want it.

    It is what nginx goes by before anything else, and never passes on. So browsers and CDNs keep to Cache-Control, while
    the edge asks again soon, by ETag, and a purge of the nodes holds there.
    """
    if not settings.edge_ttl_s:
        return []
    return [(b"x-accel-expires", b"%d" % _seconds(settings, delivery, binding, control))]


def _seconds(settings: DeliverySettings, delivery: Delivery, binding: Binding, control: str) -> int:
    if any(word in control for word in _UNSHARED) or _counts_down(settings, delivery, binding):
        return 0
    ages = {name: int(age) for name, age in _AGE.findall(control)}
    return min(settings.edge_ttl_s, ages.get("s-maxage", ages.get("max-age", 0)))


def _counts_down(settings: DeliverySettings, delivery: Delivery, binding: Binding) -> bool:
    """Whether max-age is another one each time: the edge confirms bodies, and would repeat the first one for ever."""
    return bool(
        delivery.expires_at or (settings.origin_cache_control and binding.expires and not binding.cache_control)
    )

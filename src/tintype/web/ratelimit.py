"""RateLimit headers, as draft-ietf-httpapi-ratelimit-headers-10 has them: which quotas there are, and what is left of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tintype.core.quota import Allowance
from tintype.web.memo import Headers

# The draft's units are requests, bytes of content and requests at once; this is none of them.
_UNIT = "tintype-worker-ms"


def rate_limit(allowances: Sequence[Allowance], seconds: Callable[[float], int]) -> Headers:
    """Return the headers of an answer that was refused. `seconds`: what Retry-After says of a wait."""
    policies = [f'"{one.policy}";q={one.quota_ms};qu="{_UNIT}";w={one.window_s}' for one in allowances]
    left = [f'"{one.policy}";r={int(one.left_ms)};t={seconds(one.wait_s) if one.wait_s else 0}' for one in allowances]
    return [(b"ratelimit-policy", ", ".join(policies).encode()), (b"ratelimit", ", ".join(left).encode())]

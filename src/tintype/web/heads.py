"""Heads: the headers of answers, by what they tell: whose they are, what a text is, what went wrong, when to ask again."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from functools import lru_cache
from math import ceil

from tintype.core.errors import QuotaExceeded, TintypeError
from tintype.core.tenant import Tenant
from tintype.services.answers import Timings
from tintype.web.headers import SECURITY
from tintype.web.memo import Headers
from tintype.web.ratelimit import rate_limit

# Who was refused together comes apart over so many seconds, or over as many as they wait if these are fewer.
_SPREAD_S = 10

_OF_BODY = frozenset((b"content-type", b"content-disposition", b"content-length", b"accept-ranges"))


def common(tenant: Tenant | None) -> Headers:
    """Return the headers of every answer of a tenant."""
    origin = tenant.delivery.allow_origin if tenant else ""
    allowed: Headers = [
        (b"access-control-allow-origin", origin.encode()),
        (b"access-control-allow-methods", b"GET, OPTIONS"),
    ]
    return [(b"server", b"tintype"), *(allowed if origin else [])]


def of_text(body: bytes) -> Headers:
    """Return what describes a short text."""
    kind = b"text/plain" if body.isascii() else b"text/plain; charset=utf-8"
    return [*SECURITY, (b"content-type", kind), (b"content-length", b"%d" % len(body))]


def of_error(error: TintypeError, request_id: bytes) -> Headers:
    """Return what an error tells in headers: what it is, when to ask again, what is left of quotas."""
    headers: Headers = [what_it_is(error)]
    if error.retry_after_s is not None:
        headers.append(again_after(retry_after_s(error.retry_after_s, request_id)))
    if isinstance(error, QuotaExceeded):
        headers += rate_limit(error.allowances, lambda wait_s: retry_after_s(wait_s, request_id))
    return headers


def what_it_is(error: TintypeError) -> tuple[bytes, bytes]:
    """Return the header that has an error's code and message."""
    return b"x-tintype-error", _printable(f"{error.code}: {error}")


def again_after(seconds: int) -> tuple[bytes, bytes]:
    """Return the header that says when to ask again."""
    return b"retry-after", b"%d" % seconds


def unchanged(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return those of an answer's headers that are sent with 304: without what describes the body."""
    return [header for header in headers if header[0] not in _OF_BODY]


def server_timing(timings: Timings, outcome: str) -> bytes:
    """Return the value of Server-Timing: what the cache had, and milliseconds by phase."""
    parts = [
        f"cache;desc={outcome}",
        *[f"{phase};dur={seconds * 1000:.1f}" for phase, seconds in timings.phases.items()],
    ]
    return ", ".join(parts).encode()


def retry_after_s(least_s: float, request_id: bytes) -> int:
    """Return whole seconds after which to ask again, a little spread: who was refused together comes apart."""
    choice = again_in(least_s)
    return choice[zlib.crc32(request_id) % len(choice)]


def again_in(least_s: float) -> range:
    """Return the seconds of which each who is refused is told one."""
    seconds = max(1, ceil(least_s))
    return range(seconds, seconds + min(seconds, _SPREAD_S) + 1)


@lru_cache(256)  # in a flood, some refusals are told to many
def _printable(text: str) -> bytes:
    return re.sub(r"[^\x20-\x7e]", "?", text)[:512].encode()

"""Headers of image answers: pure functions of values and `now`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate, parsedate_to_datetime
from functools import lru_cache
from urllib.parse import quote, unquote, urlsplit

from tintype.core.asked import Delivery
from tintype.core.binding import Binding
from tintype.core.formats import FACTS, Format
from tintype.core.tenant import DeliverySettings

# Images may carry markup (SVG): nothing in an answer may run, frame or load anything.
SECURITY = (
    (b"content-security-policy", b"default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)

# max-age of answers that a better one will soon replace (stale sources), in seconds.
SHORT_S = 10


def cache_control(
    settings: DeliverySettings, delivery: Delivery, binding: Binding, now: float, *, short: bool = False, ttl_s: int = 0
) -> str:
    """Return Cache-Control for an answer that succeeded.

    Args:
        settings: the tenant's.
        delivery: whose `expires_at` caps the age.
        binding: of the source, for the origin's own words.
        now: Unix seconds.
        short: the answer is stale or degraded.
        ttl_s: an age that replaces the tenant's (fallbacks), 0 = none.
    """
    if binding.private:
        return "private, no-store"
    age = ttl_s or settings.ttl_s
    if settings.origin_cache_control and not ttl_s:
        if sendable(binding.cache_control) and not delivery.expires_at and not short:
            return binding.cache_control
        age = _origin_age(binding, now, age)
    if delivery.expires_at:
        age = min(age, max(0, delivery.expires_at - int(now)))
    if short:
        age = min(age, SHORT_S)
    return f"max-age={age}, public" if age > 0 else "no-cache"


def sendable(text: str) -> str:
    """Return an origin's header value if it can be sent on as it is; "" for control characters and what is not ASCII."""
    return text if text.isascii() and text.isprintable() else ""


def _origin_age(binding: Binding, now: float, otherwise: int) -> int:
    found = re.search(r"max-age=(\d{1,10})", binding.cache_control)
    if found:
        return int(found[1])
    expires = http_time(binding.expires)
    return otherwise if expires is None else max(0, int(expires - now))


@lru_cache(256)  # an answer asks for the same date twice or more, and reading one takes 20 microseconds
def http_time(text: str) -> float | None:
    """Return the Unix seconds of an HTTP date, or None if it is not one."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError, OverflowError):
        return None


@lru_cache(256)
def http_date(seconds: float) -> str:
    """Return an HTTP date."""
    return formatdate(seconds, usegmt=True)


def disposition(delivery: Delivery, settings: DeliverySettings, url: str, extension: str) -> str:
    """Return Content-Disposition: the asked name or the source's stem, with the extension of what is sent."""
    stem = delivery.filename or _stem(url)
    attachment = settings.attachment if delivery.attachment is None else delivery.attachment
    name = f"{stem}.{extension}" if extension else stem
    kind = "attachment" if attachment else "inline"
    return f'{kind}; filename="{_quoted(name)}"'


def _stem(url: str) -> str:
    name = unquote(urlsplit(url).path.rstrip("/").rsplit("/", 1)[-1])
    return name.rsplit(".", 1)[0] if "." in name.lstrip(".") else (name or "image")


def _quoted(name: str) -> str:
    """Escape for a quoted-string; control characters go, so that no header can be added."""
    return re.sub(r'(["\\])', r"\\\1", re.sub(r"[\x00-\x1f\x7f]", "", name))


def canonical_link(url: str) -> str:
    """Return the Link header that names the source as canonical, without its credentials; only http sources can be."""
    safe = quote(re.sub(r"(?<=://)[^/?#]*@", "", url, count=1), safe=":/?#[]@!$&'()*+,;=%-._~")
    return f'<{safe}>; rel="canonical"' if url.startswith(("http://", "https://")) else ""


def mime_of(format: Format) -> bytes:
    """Return the Content-Type of a format."""
    return FACTS[format].mime.encode()


def etags_of(header: bytes) -> frozenset[str]:
    """Read If-None-Match: the opaque tags (weak ones count too, RFC 9110 13.1.2); at most 64 of them."""
    return frozenset(tag.decode("latin-1") for tag in re.findall(rb'"([^"]{1,256})"', header)[:64])


def is_current(headers: Mapping[bytes, bytes], etag: bytes, last_modified: bytes) -> bool:
    """Tell whether the copy that a client has is current: by ETag if it sent one, else by date."""
    tags = headers.get(b"if-none-match")
    if tags is not None:
        return bool(etag) and (tags.strip() == b"*" or etag.strip(b'"').decode() in etags_of(tags))
    asked = headers.get(b"if-modified-since")
    if asked is None:  # nearly always, and reading a date takes longer than the rest of a hit
        return False
    since, modified = http_time(asked.decode("latin-1")), http_time(last_modified.decode("latin-1"))
    return since is not None and modified is not None and since >= modified


def span_of(header: bytes, length: int) -> tuple[int, int] | None:
    """Read a Range of one byte span: first and last position. None = no such range; answer with everything.

    Raises:
        ValueError: the span is outside of the body (416).
    """
    found = re.fullmatch(rb"bytes=(\d{0,18})-(\d{0,18})", header.strip())
    if not found or (not found[1] and not found[2]):
        return None
    if not found[1]:
        first, last = max(0, length - int(found[2])), length - 1
    else:
        first, last = int(found[1]), min(int(found[2]) if found[2] else length - 1, length - 1)
        if found[2] and int(found[2]) < first:
            return None
    if first >= length or first > last:
        raise ValueError("the range is outside of the body")
    return first, last

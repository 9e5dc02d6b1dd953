"""What of a client's request is passed on to an origin: chosen by the tenant's settings, hashed for the binding."""

from __future__ import annotations

from urllib.parse import urlsplit

from tintype.core.tenant import DeliverySettings
from tintype.core.values import fingerprint
from tintype.ports import Forwarded

NOTHING = Forwarded()

_IDENTITY = frozenset({"cookie", "authorization", "proxy-authorization"})


def forwarded(settings: DeliverySettings, headers: dict[bytes, bytes], url: str) -> Forwarded:
    """Return the headers to pass on when fetching `url`. Cookies go to their own host only, unless all may go everywhere."""
    if not settings.forward_headers and b"cookie" not in headers:
        return NOTHING
    if not url.startswith(("http://", "https://")):
        return NOTHING
    chosen = {
        name.lower(): headers[name.lower().encode()].decode("latin-1")
        for name in settings.forward_headers
        if name.lower().encode() in headers
    }
    cookie = headers.get(b"cookie", b"").decode("latin-1")
    if cookie and _cookies_may_go(settings, headers, url):
        chosen["cookie"] = cookie
    if not chosen:
        return NOTHING
    text = "\n".join(f"{name}: {value}" for name, value in sorted(chosen.items()))
    return Forwarded(chosen, fingerprint(b"forwarded", text.encode()), bool(_IDENTITY & chosen.keys()))


def _cookies_may_go(settings: DeliverySettings, headers: dict[bytes, bytes], url: str) -> bool:
    if settings.cookie_passthrough_all:
        return True
    if not settings.cookie_passthrough:
        return False
    if settings.cookie_base_url:
        home = urlsplit(settings.cookie_base_url).hostname
    else:
        home = urlsplit("//" + headers.get(b"host", b"").decode("latin-1")).hostname
    there = urlsplit(url).hostname
    return home is not None and there is not None and home.lower() == there.lower()

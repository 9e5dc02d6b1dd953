"""Source URLs as logs may have them: scheme, host and path, but no query, fragment or user, which may be secrets.

Works on text as it stands in a path, percent-encoded any number of times, so that nothing has to be decoded first.
"""

from __future__ import annotations

import re

MASK = "***"
_COLON = "(?::|%(?:25)*3[aA])"
_SLASH = "(?:/|%(?:25)*2[fF])"
_REST = re.compile(r"(\?|#|%(?:25)*(?:3[fF]|23)).*", re.DOTALL)
# A password may have a ? that is not encoded, so users go before queries do. One slash after the scheme is what proxies
# leave of two; three are a path without a host.
_USER = re.compile(rf"({_COLON}{_SLASH}{{1,2}}(?!{_SLASH}))(?:(?!{_SLASH}).)*(?:@|%(?:25)*40)", re.DOTALL)


def shown_url(url: str) -> str:
    """Return a source URL without what may be secret. A text without any comes back as it is, at little cost."""
    if "@" in url or "%" in url:
        url = _USER.sub(rf"\1{MASK}@", url)
    return _REST.sub(rf"\1{MASK}", url) if "?" in url or "#" in url or "%" in url else url

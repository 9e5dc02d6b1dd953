"""Keeps secrets out of logs: by the name of a fact, and by what a text looks like."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

MASK = "***"
# Deeper than any fact of ours; below it, facts are summarised rather than walked.
DEPTH = 4
LENGTH = 4000
SHORT = 8  # nothing shorter than this is a secret that looks like one
MOST = 50  # members of a list or mapping

_SECRET_NAMES = re.compile(
    r"(^|_)(authorization|cookies?|secrets?|tokens?|passwords?|salts?|signatures?|credentials?|(secret|source|signing|private|account|access)_keys?|keys|api_?key)$",
    re.IGNORECASE,
)
_Test = Callable[[str], bool]
# A cheap look first: a log line is written for each request, and most texts have none of these.
_PATTERNS: tuple[tuple[_Test, re.Pattern[str], str], ...] = (
    (
        lambda low: "bearer" in low or "basic" in low,
        re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}"),
        rf"\1 {MASK}",
    ),
    # user:password@ of a URL
    (lambda low: "@" in low and "://" in low, re.compile(r"://[^/@\s]+(?=@)"), rf"://{MASK}"),
    # what signed origin URLs carry: X-Amz-Signature, sig, token ...
    (
        lambda low: "=" in low,
        re.compile(r"(?i)([?&](?:[\w-]*signature|[\w-]*credential|[\w-]*token|sig|key)=)[^&#\s]+"),
        rf"\1{MASK}",
    ),
    (
        lambda low: "%3d" in low,
        re.compile(r"(?i)((?:%3F|%26)(?:[\w-]*signature|[\w-]*credential|[\w-]*token|sig)%3D)[^&#\s%/]+"),
        rf"\1{MASK}",
    ),
    # a full signature as a path segment: 32 bytes in base64url
    (lambda low: low.count("/") > 1 and len(low) > 44, re.compile(r"/[\w-]{43}(?=/)"), f"/{MASK}"),
)


def text(value: str) -> str:
    """Return a text with everything that looks like a secret masked, cut to a bounded length."""
    if len(value) < SHORT:
        return value
    value = value[: LENGTH * 2]
    low = value.lower()
    for may, pattern, mask in _PATTERNS:
        if may(low):
            value = pattern.sub(mask, value)
    return value if len(value) <= LENGTH else value[:LENGTH] + "..."


@lru_cache(1000)
def is_secret(name: str) -> bool:
    """Whether a fact of this name is a secret whatever it looks like."""
    return _SECRET_NAMES.search(name) is not None


def fact(name: str, value: object, depth: int = DEPTH) -> object:
    """Return a fact fit for a log: masked, bounded, made of plain values."""
    if is_secret(name) and value not in ("", None, (), [], {}):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return text(str(value)) if isinstance(value, str) or depth == 0 else _walk(value, depth - 1)


def _walk(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {str(k): fact(str(k), v, depth) for k, v in list(value.items())[:MOST]}
    if isinstance(value, Sequence | set | frozenset):
        return [fact("", v, depth) for v in list(value)[:MOST]]
    return text(str(value))

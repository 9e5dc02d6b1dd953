"""Keeps secrets out of logs: by the name of a fact, and by what a text looks like."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from types import NoneType

MASK = "***"
# Deeper than any fact of ours; below it, facts are summarised rather than walked.
DEPTH = 4
LENGTH = 4000
_PLAIN = (bool, int, float, NoneType)
SHORT = 8  # nothing shorter than this is a secret that looks like one
MOST = 50  # members of a list or mapping
_SIGNED = 44  # a text with a signature is longer

_SECRET_NAMES = re.compile(
    r"(^|_)(authorization|cookies?|secrets?|tokens?|passwords?|salts?|signatures?|credentials?|(secret|source|signing|private|account|access)_keys?|keys|api_?key)$",
    re.IGNORECASE,
)
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{4,}")
_USER = re.compile(r"://[^/@\s]+(?=@)")  # user:password@ of a URL
# what signed origin URLs carry: X-Amz-Signature, sig, token ...
_QUERY = re.compile(r"(?i)([?&](?:[\w-]*signature|[\w-]*credential|[\w-]*token|sig|key)=)[^&#\s]+")
_ENCODED_QUERY = re.compile(r"(?i)((?:%3F|%26)(?:[\w-]*signature|[\w-]*credential|[\w-]*token|sig)%3D)[^&#\s%/]+")
_SIGNATURE = re.compile(r"/[\w-]{43}(?=/)")  # a full signature as a path segment: 32 bytes in base64url


def text(value: str) -> str:
    """Return a text with everything that looks like a secret masked, cut to a bounded length."""
    if len(value) < SHORT:
        return value
    value = value[: LENGTH * 2]
    low = value.lower()
    # A cheap look first: a log line is written for each request, and most texts have none of these.
    if "bearer" in low or "basic" in low:
        value = _BEARER.sub(rf"\1 {MASK}", value)
    if "@" in low and "://" in low:
        value = _USER.sub(rf"://{MASK}", value)
    if "=" in low:
        value = _QUERY.sub(rf"\1{MASK}", value)
    if "%3d" in low:
        value = _ENCODED_QUERY.sub(rf"\1{MASK}", value)
    if "/" in low and len(low) > _SIGNED:
        value = _SIGNATURE.sub(f"/{MASK}", value)
    return value if len(value) <= LENGTH else value[:LENGTH] + "..."


@lru_cache(1000)
def is_secret(name: str) -> bool:
    """Whether a fact of this name is a secret whatever it looks like."""
    return _SECRET_NAMES.search(name) is not None


def fact(name: str, value: object, depth: int = DEPTH) -> object:
    """Return a fact fit for a log: masked, bounded, made of plain values."""
    if is_secret(name) and value not in ("", None, (), [], {}):
        return MASK
    if isinstance(value, str):
        return text(str(value))
    if isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value)} bytes>"
    return text(str(value)) if depth == 0 else _walk(value, depth - 1)


def _walk(value: object, depth: int) -> object:
    if isinstance(value, Mapping):
        return {str(k): fact(str(k), v, depth) for k, v in list(value.items())[:MOST]}
    if isinstance(value, Sequence | set | frozenset):
        return [fact("", v, depth) for v in list(value)[:MOST]]
    return text(str(value))

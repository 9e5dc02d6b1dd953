"""The grammar of a target: signature, options and source, taken apart without judging any of them.

target    = "/" signature "/" *( option "/" ) source [ "?" ignored ]
option    = name ":" argument *( ":" argument )
source    = "plain/" percent-encoded [ "@" extension ]
          / base64-chunks [ "." extension ]
          / "enc/" base64-chunks [ "." extension ]
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from tintype.core.errors import BadRequest
from tintype.dialects.imgproxy.arguments import FITS

PLAIN = "plain"
ENCRYPTED = "enc"

_PLAIN = f"/{PLAIN}/"
# One slash after the scheme, as left by proxies that merge slashes.
_MERGED = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):/(?=[^/])")


class Spelled(NamedTuple):
    """An option as it is spelled in a URL or a preset."""

    name: str
    args: list[str]


def split(target: str) -> tuple[str, str]:
    """Return the signature and the path that it signs, repaired.

    Raises:
        BadRequest: there is nothing after the signature, or it is no text.
    """
    try:
        target.encode()
    except UnicodeEncodeError:
        raise BadRequest("the path is not UTF-8; percent-encode it") from None
    path = target.partition("?")[0].lstrip("/")  # doubled slashes at the start are taken, as imgproxy's router does
    signature, _, rest = path.partition("/")
    if not signature or not rest:
        raise BadRequest("a path is /signature/options/source; at least two of them are missing")
    return signature, repair(f"/{rest}")


def repair(path: str) -> str:
    """Undo what browsers and proxies do to paths: %3A for a colon in options, one slash for two in a plain source."""
    head, plain, source = path.partition(_PLAIN)
    if "%3" in head:
        head = head.replace("%3A", ":").replace("%3a", ":")
    merged = _MERGED.match(source)
    if merged:
        scheme = merged[1]
        source = f"{scheme}://{'/' if scheme == 'local' else ''}{source[merged.end() :]}"
    return head + plain + source


def merges(source: str) -> bool:
    """Whether `repair` would change this plain source."""
    return _MERGED.match(source) is not None


def take_apart(path: str, separator: str) -> tuple[str, str]:
    """Return the options, and the source, which begins at the first segment without a separator.

    Raises:
        BadRequest: the syntax of imgproxy 1.
    """
    segments = path[1:].split("/")
    if segments[0] in FITS:
        raise BadRequest(
            f"/{segments[0]}/width/height/... is the syntax of imgproxy 1; write rs:{segments[0]}:width:height"
        )
    at = 1
    for segment in segments:
        if separator not in segment:
            break
        at += len(segment) + 1
    return path[1:at], path[at:]


def take_presets(path: str) -> tuple[str, str]:
    """Return the presets and the source, where URLs have nothing but presets."""
    presets, _, source = path[1:].partition("/")
    return presets, source


def spelled(options: str, separator: str) -> Iterator[Spelled]:
    """Yield the options of a text that `take_apart` returned."""
    for segment in filter(None, options.split("/")):
        name, *args = segment.split(separator)
        yield Spelled(name, args)

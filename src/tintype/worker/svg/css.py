"""Style sheets without references to the outside: url() only to fragments and raster data, no imports."""

from __future__ import annotations

import re

_COMMENT = re.compile(r"/\*.*?(?:\*/|\Z)", re.DOTALL)
# CSS Syntax 3, 4.3.7: a backslash, up to six hex digits and one blank; or a backslash and the character itself.
# An escaped backslash comes out as no backslash: it would begin an escape that nobody has looked behind.
_ESCAPE = re.compile(r"\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\n\r\f])?|(.)|\Z)", re.DOTALL)
_NONE = "\ufffd"
_RULE = re.compile(r"@(?:import|charset|namespace|font-face)\b[^;{]*(?:;|\{[^}]*(?:\}|\Z)|\Z)", re.IGNORECASE)
_URL = re.compile(
    r"\burl\s*\(\s*+(?!['\"]?\s*+(?:#|data:image/(?:png|jpe?g|gif|webp)[;,]))[^)]*(?:\)|\Z)", re.IGNORECASE
)
_LOADING = re.compile(r"(?:-webkit-)?\b(?:image-set|image|src|cross-fade|expression)\s*\(", re.IGNORECASE)
_BINDING = re.compile(r"(?:-moz-binding|behavior)\s*:", re.IGNORECASE)
_SUSPECT = re.compile(r"url|\\|@import|expression|image|src\s*\(", re.IGNORECASE)


def suspicious(text: str) -> bool:
    """Tell whether a presentation attribute may hold anything that `clean` would change."""
    return bool(_SUSPECT.search(text))


def clean(text: str) -> str:
    """Return the style sheet or declaration list with nothing left that a renderer would fetch, and no escape left."""
    text = _ESCAPE.sub(_unescaped, _COMMENT.sub(" ", text))
    text = _RULE.sub(" ", text)
    text = _URL.sub("none", text)
    return _BINDING.sub("none:", _LOADING.sub("none(", text))


def _unescaped(match: re.Match[str]) -> str:
    digits, character = match.groups()
    if digits is None:
        return _NONE if character in (None, "\\") else str(character)
    code = int(digits, 16)
    known = 0 < code <= 0x10FFFF and not 0xD800 <= code < 0xE000 and code != ord("\\")
    return chr(code) if known else _NONE

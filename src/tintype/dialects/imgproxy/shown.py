"""Targets as logs may have them: with options and the source's host and path, without what could be replayed or is secret."""

from __future__ import annotations

from tintype.core.shown import MASK, shown_url
from tintype.dialects.imgproxy.arguments import Unreadable, unbase64
from tintype.dialects.imgproxy.grammar import ENCRYPTED, PLAIN, repair
from tintype.dialects.imgproxy.settings import ImgproxySettings

_LONGEST_OPTION = 64  # longer ones are texts in base64, such as URLs
_FIRST = 6  # characters of what cannot be read: too few to hold more than a scheme
_WORD = 16  # a signature that nobody checks is a word, such as unsafe
_PLAIN = f"/{PLAIN}/"


class Shown:
    """Shows targets of any form. Whoever reads a log can fetch nothing with it that is signed."""

    def __init__(self, settings: ImgproxySettings) -> None:
        self._separator = settings.arguments_separator
        self._signed = bool(settings.keys)
        self._presets = int(settings.only_presets)  # segments that are presets whatever they look like
        self._drops_filename = settings.base64_includes_filename

    def __call__(self, target: str) -> str:
        """Return a target for the log: sources in base64 as their text, long things cut."""
        path, query, _ = target.partition("?")
        signature, slash, rest = path.lstrip("/").partition("/")
        shown = self._rest(repair(f"/{rest}")) if slash else ""
        return f"/{self._signature(signature)}{shown}{query and f'?{MASK}'}"

    def _signature(self, signature: str) -> str:
        if not self._signed and len(signature) <= _WORD:
            return signature
        return f"{signature[: min(_FIRST, len(signature) // 4)]}{MASK}"

    def _rest(self, path: str) -> str:
        head, plain, source = path.partition(_PLAIN)
        if plain:
            return f"{self._options(head.split('/'))}{plain}{_plain(source)}"
        parts = path.split("/")
        options = (at for at, part in enumerate(parts) if at > self._presets and self._separator not in part)
        at = next(options, len(parts))
        source = f"/{self._encoded(parts[at:])}" if at < len(parts) else ""
        return self._options(parts[:at]) + source

    def _options(self, parts: list[str]) -> str:
        return "/".join(part if len(part) <= self._longest(part) else f"{part[:_FIRST]}{MASK}" for part in parts)

    def _longest(self, part: str) -> int:
        return _LONGEST_OPTION if self._separator in part else _WORD

    def _encoded(self, chunks: list[str]) -> str:
        """Show a source in base64, in pieces perhaps, as its text; where it is none, its first characters."""
        if chunks[0] == ENCRYPTED:
            return "/".join(chunks)
        if self._drops_filename and len(chunks) > 1:
            chunks = chunks[:-1]
        text, dot, extension = "".join(chunks).partition(".")
        url = _decoded(text)
        return f"base64:{shown_url(url)}{dot}{extension[:_WORD]}" if url else f"{text[:_FIRST]}{MASK}"


def _plain(source: str) -> str:
    """Show a plain source; one in base64 where a plain one should be is a mistake that hides nothing."""
    hidden = "" if ":" in source else _decoded(source.replace("/", "").partition("@")[0].partition(".")[0])
    return f"{source[:_FIRST]}{MASK}" if "://" in hidden else shown_url(source)


def _decoded(text: str) -> str:
    """Return what base64 says, "" where it says nothing that people read."""
    try:
        url = unbase64(text).decode()
    except (Unreadable, ValueError):
        return ""
    return url if url.isprintable() else ""

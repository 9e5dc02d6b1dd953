"""Source URLs: decoded, rewritten as configured, brought to one canonical text, and checked against the allow-list."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import quote, unquote, unquote_to_bytes

from tintype.core.errors import BadRequest, Misconfigured, SourceUnlisted
from tintype.dialects.imgproxy.arguments import Unreadable, to_base64, unbase64
from tintype.dialects.imgproxy.grammar import ENCRYPTED, PLAIN, merges
from tintype.dialects.imgproxy.settings import ImgproxySettings

_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_UTF8 = re.compile(r"[\udc80-\udcff]")
_REFERENCE = re.compile(r"\$\{(\d+)\}")
_AUTHORITY_END = re.compile(r"[/?#]")
_ENCODED = {"@": "%40", ".": "%2E"}
_STEPS = frozenset({".", ".."})
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


class SourceReader:
    """Reads and writes the source part of a path."""

    def __init__(self, settings: ImgproxySettings) -> None:
        self._base = settings.base_url
        self._drops_filename = settings.base64_includes_filename
        self._replacements = tuple(_replacement(*pair) for pair in settings.url_replacements)
        self._listed = tuple(re.compile(_prefix(_canonical_pattern(pattern))) for pattern in settings.allowed_sources)
        self._decrypt = _decrypter(settings)

    def read(self, source: str) -> tuple[str, str]:
        """Return the canonical URL and the extension ("" = none).

        Raises:
            BadRequest: it cannot be read.
            SourceUnlisted: it is not on the list of allowed sources.
        """
        kind, slash, rest = source.partition("/")
        if slash and kind == PLAIN:
            url, extension = _read_plain(rest)
            return self._accept(url), extension
        if slash and kind == ENCRYPTED:
            encoded, extension = self._join(rest)
            return self._read_encrypted(encoded), extension
        encoded, extension = self._join(source)
        return self._accept(_to_text(_decode(encoded))), extension

    def _read_encrypted(self, encoded: str) -> str:
        if self._decrypt is None:
            raise BadRequest("encrypted sources are off here; set tenants.NAME.source_key")
        try:
            return self._accept(_to_text(self._decrypt(encoded)))
        except (BadRequest, ValueError):  # one answer for all that can be wrong, whether it was the padding or the text
            raise BadRequest("the encrypted source is no allowed URL when read with the configured key") from None

    def _join(self, chunks: str) -> tuple[str, str]:
        if self._drops_filename and "/" in chunks:
            chunks = chunks.rpartition("/")[0]
        return _cut_extension(chunks.replace("/", ""), ".")

    def _accept(self, url: str) -> str:
        for replace in self._replacements:
            url = replace(url)
        if not url.startswith(self._base):
            url = self._base + url
        if not url or _CONTROL.search(url):
            raise BadRequest("the source URL is empty or has control characters; percent-encode it")
        url = canonical(url)
        if self._listed and (climbs(url) or not any(pattern.match(url) for pattern in self._listed)):
            raise SourceUnlisted
        return url


def write(url: str, extension: str) -> str:
    """Write the source part of a path: plain where possible, else base64."""
    plain = quote(url, safe="/:~!$&'()*+,;=")
    if merges(plain):
        return to_base64(url.encode()) + (f".{extension}" if extension else "")
    return f"{PLAIN}/{plain}" + (f"@{extension}" if extension else "")


def canonical(url: str) -> str:
    """Return the one text for an http URL: lower case scheme and host, no default port, a path, no fragment.

    What is matched against the allow-list is so what is fetched: `https://evil?.example.com/` is a host and a query.
    Other schemes keep everything but the case of the scheme, as object keys may hold any character.
    """
    scheme, colon, rest = url.partition("://")
    if not colon:
        return url
    scheme = scheme.lower()
    if scheme not in _DEFAULT_PORTS:
        return f"{scheme}://{rest}"
    end = _AUTHORITY_END.search(rest)
    at = end.start() if end else len(rest)
    authority, path = rest[:at], rest[at:].partition("#")[0]
    if "\\" in authority:
        raise BadRequest("the source URL has a backslash in its host; write a slash")
    user, mark, host = authority.rpartition("@")
    host = host.lower().removesuffix(_DEFAULT_PORTS[scheme])
    return f"{scheme}://{user}{mark}{host}{'' if path.startswith('/') else '/'}{path}"


def climbs(url: str) -> bool:
    """Tell whether a URL's path has a . or .. that could lead away from where its text begins.

    Of http URLs this looks at all that servers take for one: percent-encoded, after a backslash, before a semicolon.
    """
    scheme, _, rest = url.partition("://")
    if scheme in _DEFAULT_PORTS:
        rest = unquote(rest.partition("?")[0]).replace("\\", "/")
        return any(segment.partition(";")[0] in _STEPS for segment in rest.split("/"))
    return not _STEPS.isdisjoint(rest.split("/"))


def _canonical_pattern(pattern: str) -> str:
    """Bring a pattern to the form of the URLs it is matched against; one that ends within the host stays so."""
    scheme, colon, rest = pattern.partition("://")
    if "/" not in rest:
        return f"{scheme.lower()}{colon}{rest.lower()}" if colon else pattern
    try:
        return canonical(pattern)
    except BadRequest as error:
        raise Misconfigured(f"allowed_sources: {pattern!r}: {error}") from error


def _read_plain(source: str) -> tuple[str, str]:
    encoded, extension = _cut_extension(source, "@")
    if "%" not in encoded:
        return encoded, extension
    if _BAD_ESCAPE.search(encoded):
        raise BadRequest("the source has a % without two hex digits after it; write %25 for a percent sign")
    return _to_text(unquote_to_bytes(encoded)), extension


def _cut_extension(text: str, mark: str) -> tuple[str, str]:
    source, _, extension = text.partition(mark)
    if not source:
        raise BadRequest("the source is missing; end the path with plain/URL or with the URL in base64")
    if mark in extension:
        raise BadRequest(f"the source has more than one {mark}; only the one before the format may be there")
    if "/" in extension or "%" in extension:  # of what follows a password, so it is not quoted
        raise BadRequest(
            f"after the {mark} of a source there is only a format; write {_ENCODED[mark]} for one inside the URL"
        )
    return source, extension


def _decode(encoded: str) -> bytes:
    try:
        return unbase64(encoded)
    except Unreadable:
        raise BadRequest(
            "the source is neither plain/URL nor URL-safe base64; what was meant as an option is written name:value"
        ) from None


def _to_text(data: bytes) -> str:
    """Decode UTF-8; bytes that are not come back percent-encoded, as they would be sent."""
    text = data.decode("utf-8", "surrogateescape")
    return _NOT_UTF8.sub(lambda byte: f"%{ord(byte[0]) - 0xDC00:02X}", text)


def _prefix(pattern: str) -> str:
    """Return the regular expression of a pattern: it matches from the start, and * matches all but a slash."""
    return "([^/]*)".join(re.escape(part) for part in pattern.split("*"))


def _replacement(pattern: str, template: str) -> Callable[[str], str]:
    compiled = re.compile(_prefix(pattern))
    stars = [int(number) for number in _REFERENCE.findall(template)]
    if any(number > compiled.groups for number in stars):
        raise Misconfigured(f"url_replacements: {template!r} refers to a * that {pattern!r} does not have")

    def fill(match: re.Match[str]) -> str:
        return _REFERENCE.sub(lambda reference: match[int(reference[1])], template)

    return lambda url: compiled.sub(fill, url, count=1) if compiled.match(url) else url


def _decrypter(settings: ImgproxySettings) -> Callable[[str], bytes] | None:
    if not settings.source_key:
        return None
    if not settings.keys:
        raise Misconfigured(
            "source_key needs signing keys: without signatures, answers to altered URLs would reveal the source"
        )
    from tintype.dialects.imgproxy.crypt import Decrypter  # noqa: PLC0415 - the library is loaded where it is used

    return Decrypter(settings.source_key).decrypt

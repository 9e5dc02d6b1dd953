"""SVG made harmless: rewritten element by element without scripts, handlers, foreign content and outside references.

A document comes in as bytes and goes out as bytes; nothing is fetched, no entity is expanded that could grow.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping
from xml.parsers import expat

from tintype.core.errors import BrokenImage, ImageTooLarge, UnsupportedImage
from tintype.worker.svg import css
from tintype.worker.svg.names import Namespaces
from tintype.worker.svg.uses import MAX_ADDED, Uses

MAX_BYTES = 20_000_000  # of a document, inflated
_MAX_DEPTH = 512
_MAX_ELEMENTS = 500_000
_MAX_ATTRIBUTES = 500
_MAX_ENTITIES = 200
_MAX_ENTITY_CHARS = 4096

# As xml.sax.saxutils has it, which would bring urllib, http and ssl into each worker.
_TEXT = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_VALUE = _TEXT | str.maketrans({'"': "&quot;", "\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})

# Elements that run code, bring in other documents or change attributes that were checked; with all they contain.
_DROPPED = frozenset(
    {
        *("script", "foreignobject", "handler", "listener", "iframe", "embed", "object", "audio", "video", "canvas"),
        *("html", "body", "meta", "link", "base", "template", "slot"),
    }
)
_ANIMATIONS = frozenset({"set", "animate", "animatemotion", "animatetransform", "animatecolor"})
_IMAGES = frozenset({"image", "feimage"})
_REFERENCES = frozenset({"href", "src"})
# Attributes of HTML that load or send, which somebody who puts the drawing into a page would bring to life.
_LOADING = frozenset(
    {
        *("action", "archive", "background", "codebase", "data", "dynsrc", "formaction", "imagesrcset"),
        *("longdesc", "lowsrc", "manifest", "ping", "poster", "srcdoc", "srcset"),
    }
)
_RASTER = re.compile(r"data:image/(png|jpe?g|gif|webp)[;,]", re.IGNORECASE)
_SCHEME = re.compile(r"(java|vb|live)script:|data:text", re.IGNORECASE)
_BLANKS = re.compile(r"[\x00-\x20\x7f-\xa0]+")


def sanitise(data: bytes | memoryview) -> bytes:
    """Return a harmless UTF-8 document that draws the same.

    Raises:
        BrokenImage: not well-formed XML, or the root is not svg.
        UnsupportedImage: external or nested entities.
        ImageTooLarge: more bytes, depth or elements than allowed.
    """
    return _Rewriter().rewrite(inflated(bytes(data)))


def inflated(data: bytes) -> bytes:
    """Return the document of an SVG or an SVGZ."""
    if data.startswith(b"\x1f\x8b"):
        inflate = zlib.decompressobj(wbits=31)
        try:
            data = inflate.decompress(data, MAX_BYTES + 1)
        except zlib.error as error:
            raise BrokenImage(f"SVGZ: {error}") from error
    if len(data) > MAX_BYTES:
        raise ImageTooLarge(f"SVG: the document has more than {MAX_BYTES} bytes")
    return data


class _Rewriter:
    """Writes what it reads, but for what it leaves out. Used once."""

    def __init__(self) -> None:
        self._out: list[str] = []
        self._size = 0  # characters written
        self._open: list[str] = []  # local names of elements written and not yet ended
        self._dropped = 0  # depth below a dropped element, itself included
        self._style: list[str] = []
        self._elements = 0
        self._entities = 0
        self._uses = Uses()
        self._names = Namespaces()
        self._parser = expat.ParserCreate()
        self._parser.buffer_text = True
        self._parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
        self._parser.EntityDeclHandler = self._entity
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._text
        self._parser.ExternalEntityRefHandler = self._external

    def rewrite(self, document: bytes) -> bytes:
        try:
            self._parser.Parse(document, True)
        except expat.ExpatError as error:
            raise BrokenImage(f"SVG: {error}") from error
        except (LookupError, ValueError) as error:
            raise BrokenImage("SVG: the document's encoding is not known") from error
        if self._uses.added() > MAX_ADDED:
            raise ImageTooLarge(f"SVG: its use elements draw more than {MAX_ADDED} elements again")
        return "".join(self._out).encode("utf-8", "replace")

    def _entity(
        self,
        name: str,
        parameter: bool,
        value: str | None,
        _base: str | None,
        system: str | None,
        public: str | None,
        _notation: str | None = None,
    ) -> None:
        """Let through short plain texts, as drawing programs declare for namespaces."""
        self._entities += 1
        if parameter or system or public or value is None or re.search(r"[&%<]", value):
            raise UnsupportedImage(f"SVG: entity {name[:40]!r} is external or nested, which is not supported")
        if self._entities > _MAX_ENTITIES or len(value) > _MAX_ENTITY_CHARS:
            raise ImageTooLarge(f"SVG: more entities than {_MAX_ENTITIES}, or one over {_MAX_ENTITY_CHARS} characters")

    def _external(self, *_: object) -> int:
        raise UnsupportedImage("SVG: references to external entities are not supported")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._elements += 1
        local = _local(name)
        self._names.start(attributes)
        drawn = self._names.drawn(name)
        if not self._open and not self._dropped and (local != "svg" or not drawn or self._out):
            raise BrokenImage(f"SVG: the root element is {name[:40]!r}, not svg")
        if self._elements > _MAX_ELEMENTS or len(self._open) >= _MAX_DEPTH or len(attributes) > _MAX_ATTRIBUTES:
            raise ImageTooLarge(
                f"SVG: more than {_MAX_ELEMENTS} elements, {_MAX_DEPTH} levels or {_MAX_ATTRIBUTES} attributes"
            )
        if self._dropped or not drawn or _is_dropped(local, attributes):
            self._dropped += 1
            return
        kept = {key: clean for key, value in attributes.items() if (clean := _attribute(local, key, value)) is not None}
        self._open.append(local)
        self._uses.start(local, kept.get("id"), _href(kept))
        self._write(f"<{name}" + "".join(f' {key}="{value.translate(_VALUE)}"' for key, value in kept.items()) + ">")

    def _end(self, name: str) -> None:
        self._names.end()
        if self._dropped:
            self._dropped -= 1
            return
        self._uses.end()
        if self._open.pop() == "style":
            self._write(css.clean("".join(self._style)).translate(_TEXT))
            self._style.clear()
        self._write(f"</{name}>")

    def _text(self, text: str) -> None:
        if self._dropped or not self._open:
            return
        if self._open[-1] == "style":
            self._style.append(text)
        else:
            self._write(text.translate(_TEXT))

    def _write(self, text: str) -> None:
        self._out.append(text)
        self._size += len(text)
        if self._size > MAX_BYTES:
            raise ImageTooLarge(f"SVG: the document grows beyond {MAX_BYTES} characters")


def _local(name: str) -> str:
    return name.rpartition(":")[2].lower()


def _href(attributes: Mapping[str, str]) -> str | None:
    return next((value for key, value in attributes.items() if _local(key) == "href"), None)


def _is_dropped(local: str, attributes: Mapping[str, str]) -> bool:
    if local in _ANIMATIONS:
        target = next((value for key, value in attributes.items() if key.lower() == "attributename"), "")
        changed = _local(target.strip())
        return changed in _REFERENCES or changed in _LOADING or changed.startswith("on")
    return local in _DROPPED


def _attribute(element: str, key: str, value: str) -> str | None:
    """Return the harmless value of an attribute, or None to leave it out."""
    local = _local(key)
    squeezed = _BLANKS.sub("", value)
    if local.startswith("on") or local in _LOADING or key.lower() == "xml:base" or _SCHEME.search(squeezed):
        return None
    if key.lower().startswith("xmlns"):
        return value if key != "xmlns:" else None  # no XML reader that knows namespaces takes it
    if local in _REFERENCES:
        inside = squeezed.startswith("#") or not squeezed
        return value if inside or (element in _IMAGES and _RASTER.match(squeezed)) else None
    return css.clean(value) if local == "style" or css.suspicious(value) else value

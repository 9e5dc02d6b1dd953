"""What kind of image bytes are, from the bytes alone: names and content types of origins are not believed.

Only one format is ever handed to a decoder, the one found here; what is found nowhere is refused by `foreign.name`.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable

from tintype.core.formats import Format

HEAD_BYTES = 32 * 1024
"""How many of the first bytes `sniff` wants: an SVG may begin with long comments. Fewer do when there are fewer."""

_GZIP = b"\x1f\x8b\x08"

_AVIF = frozenset((b"avif", b"avis"))
_HEIC = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"hevm", b"hevs"))
_EITHER = frozenset((b"mif1", b"msf1", b"mif2"))  # structural brands: a compatible brand says which codec


def sniff(head: bytes) -> Format | None:
    """Return the format of an image from its first bytes, or None if it is none we know."""
    return next((known for known, matches in _SIGNS if matches(head)), None)


def is_gzip(head: bytes) -> bool:
    return head.startswith(_GZIP)


def inflated(head: bytes, limit: int = HEAD_BYTES) -> bytes:
    """Return at most `limit` bytes of the start of a gzip stream; what cannot be inflated ends it."""
    inflate = zlib.decompressobj(wbits=31)
    try:
        return inflate.decompress(head[:HEAD_BYTES], limit)
    except zlib.error:
        return b""


def brands(head: bytes) -> tuple[bytes, ...]:
    """Return the major and compatible brands of an ISO base media file (AVIF, HEIC, video ...), () for anything else."""
    if head[4:8] != b"ftyp":
        return ()
    end = min(int.from_bytes(head[:4], "big"), len(head), 1024)
    compatible = (head[at : at + 4] for at in range(16, end - 3, 4))
    return (head[8:12], *compatible)


def _starts(*signs: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(signs)


def _is_webp(head: bytes) -> bool:
    return head[:4] == b"RIFF" and head[8:12] == b"WEBP"


def _is_avif(head: bytes) -> bool:
    return _codec_brand(head) in _AVIF


def _is_heic(head: bytes) -> bool:
    return _codec_brand(head) in _HEIC


def _codec_brand(head: bytes) -> bytes:
    """Return the brand that names the codec: the major one, or the first telling compatible one of a structural brand.

    A structural brand alone is taken for HEIC, as cameras write it; the decoder then refuses any other codec.
    """
    major, *compatible = brands(head) or (b"",)
    if major not in _EITHER:
        return major
    return next((brand for brand in compatible if brand in _AVIF | _HEIC), b"heic")


def _is_bmp(head: bytes) -> bool:
    # Two letters are little to go by; the size of the second header (12 to 124 in real files) must be sane too.
    return head.startswith(b"BM") and len(head) >= 26 and 12 <= int.from_bytes(head[14:18], "little") <= 1024


def _is_ico(head: bytes) -> bool:
    # Type 1 is an icon, 2 a cursor; an icon without images is none.
    return head.startswith(b"\0\0\1\0") and len(head) >= 6 and head[4:6] != b"\0\0"


def _is_tiff(head: bytes) -> bool:
    # "CR" at 8 is a Canon raw file, which only looks like one.
    return head.startswith((b"II*\0", b"MM\0*", b"II+\0\x08\0\0\0", b"MM\0+\0\x08\0\0")) and head[8:10] != b"CR"


# Grammar of what may stand before the root element, from XML 1.0: prolog ::= XMLDecl? Misc* (doctypedecl Misc*)?
# Possessive quantifiers: no input makes these scan twice.
_MISC = re.compile(rb"\s++|<\?.*?\?>|<!--.*?-->", re.DOTALL)
_DOCTYPE = re.compile(rb"<!DOCTYPE[^>\[]*+(?:\[(?:[^\]\"']|\"[^\"]*+\"|'[^']*+')*+\]\s*+)?>", re.DOTALL)
_DOCTYPE_SVG = re.compile(rb"<!DOCTYPE\s+(?:[\w.-]+:)?svg[\s>\[]")
_ROOT_SVG = re.compile(rb"<(?:[\w.-]+:)?svg[\s/>]")
_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))


def is_svg_text(text: bytes) -> bool:
    """Tell whether a document's root element is svg; an HTML page that merely contains one is not."""
    text = as_ascii(text)
    at = 0
    while found := _MISC.match(text, at) or _DOCTYPE.match(text, at):
        at = found.end()
    return bool(_ROOT_SVG.match(text, at) or _DOCTYPE_SVG.match(text, at))


def as_ascii(text: bytes) -> bytes:
    """Return text without its byte order mark, in an encoding in which markup is ASCII."""
    for bom, encoding in _BOMS:
        if text.startswith(bom):
            return text[len(bom) :].decode(encoding, "replace").encode("utf-8")
    return text


def _is_svg(head: bytes) -> bool:
    return is_svg_text(inflated(head) if is_gzip(head) else head[:HEAD_BYTES])


_SIGNS: tuple[tuple[Format, Callable[[bytes], bool]], ...] = (
    (Format.JPEG, _starts(b"\xff\xd8")),  # libjpeg asks for no third byte either
    (Format.PNG, _starts(b"\x89PNG\r\n\x1a\n")),
    (Format.GIF, _starts(b"GIF87a", b"GIF89a")),
    (Format.WEBP, _is_webp),
    (Format.AVIF, _is_avif),
    (Format.HEIC, _is_heic),
    (Format.TIFF, _is_tiff),
    (Format.JXL, _starts(b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    (Format.JP2, _starts(b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51")),
    (Format.PSD, _starts(b"8BPS")),
    (Format.PDF, _starts(b"%PDF-")),
    (Format.BMP, _is_bmp),
    (Format.ICO, _is_ico),
    (Format.SVG, _is_svg),
)

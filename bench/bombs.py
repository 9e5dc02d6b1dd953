"""Bombs: small files that announce, or would become, far more than anyone wants to decode."""

from __future__ import annotations

import gzip
import struct
import time
import zlib
from pathlib import Path
from typing import NamedTuple

import pyvips

from bench.photos import CORPUS
from tintype.core.errors import TintypeError, UnsupportedImage
from tintype.core.formats import Format
from tintype.core.offer import Offer
from tintype.core.pipeline import Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.core.sniff import HEAD_BYTES, sniff
from tintype.worker.probe import probe

HUGE = 60_000


def bombs(corpus: Path = CORPUS) -> list[tuple[str, bytes]]:
    """Return (name, body); every one must be refused, or drawn small, without ever being large."""
    found = [
        ("header.png", png(HUGE, HUGE)),
        ("rows.png", png(65_000, 50_000, zlib.compress(bytes(20_000_000), 9))),
        ("header.gif", gif(HUGE, HUGE, 1)),
        ("frames.gif", gif(2000, 2000, 2000)),
        ("header.webp", webp(16_383, 16_383)),
        ("animation.webp", webp_animation(16_000_000, 16)),
        ("header.avif", avif(HUGE, HUGE)),
        ("header.tif", tiff(HUGE, HUGE)),
        ("chain.tif", tiff_chain(3000)),
        ("loop.tif", tiff_chain(2, loop=True)),
        ("header.jpg", jpeg(65_500, 65_500)),
        ("header.jxl", jxl(HUGE, HUGE)),
        ("header.bmp", bmp(HUGE, HUGE)),
        ("rows-of-two.png", png(2, 8_388_610)),
        ("frames.png", apng(HUGE // 8, HUGE // 8, 50_000)),
        ("uses.svg", svg_uses(12)),
        ("entities.svg", svg_entities(12)),
        (
            "size.svg",
            b'<svg xmlns="http://www.w3.org/2000/svg" width="1e9" height="1e9"><rect width="9" height="9"/></svg>',
        ),
        ("pattern.svg", svg_patterns(8)),
        ("deep.svg", svg_deep(200_000)),
        (
            "big.svgz",
            gzip.compress(
                b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><!--' + b" " * 300_000_000 + b"--></svg>"
            ),
        ),
        ("icc.png", png(8, 8, zlib.compress(bytes(8 * 25)), extra=icc_chunk(200_000_000))),
        ("text.png", png(8, 8, zlib.compress(bytes(8 * 25)), extra=text_chunk(100_000_000) * 20)),
    ]
    known = corpus / "hostile" / "libvips__images_17000x17000.avif"
    return [*found, ("17000x17000.avif", known.read_bytes())] if known.exists() else found


# Which of them a header alone gives away: refused by the probe or by resolve, within milliseconds.
FROM_HEADER = frozenset(
    {
        *(
            "header.png",
            "rows.png",
            "header.gif",
            "header.webp",
            "header.avif",
            "header.tif",
            "header.jpg",
            "header.jxl",
        ),
        *("header.bmp", "17000x17000.avif", "rows-of-two.png", "frames.png", "uses.svg"),
    }
)


class Refusal(NamedTuple):
    """What a header came to: an error code, or "" if it was let through, and the CPU time that took."""

    code: str
    cpu_ms: float


def refusal(body: bytes) -> Refusal:
    """Sniff, probe and plan an image as a node does, without decoding it."""
    asked = Pipeline.of(SourceRef(url="bomb:"), Resize(width=100), output=Output(format=Format.PNG))
    policy = Policy()
    began = time.process_time()
    code = ""
    try:
        found = sniff(body[:HEAD_BYTES])
        if found is None:
            raise UnsupportedImage
        resolve(asked, probe(found, body, policy.source_pixels), Offer(), policy)
    except TintypeError as error:
        code = error.code
    return Refusal(code, (time.process_time() - began) * 1000)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width: int, height: int, rows: bytes | None = None, extra: bytes = b"") -> bytes:
    header = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = _chunk(b"IDAT", zlib.compress(bytes(64)) if rows is None else rows)
    return b"\x89PNG\r\n\x1a\n" + header + extra + data + _chunk(b"IEND", b"")


def apng(width: int, height: int, frames: int) -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, width, height, 0, 0, 1, 50, 0, 0)
    return png(width, height, extra=_chunk(b"acTL", struct.pack(">II", frames, 0)) + _chunk(b"fcTL", control))


def icc_chunk(size: int) -> bytes:
    return _chunk(b"iCCP", b"bomb\0\0" + zlib.compress(bytes(size), 9))


def text_chunk(size: int) -> bytes:
    return _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(bytes(size), 9))


def gif(width: int, height: int, frames: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + b"\0\0\0\xff\xff\xff"
    frame = (
        b"\x21\xf9\x04\0\x05\0\0\0" + b"\x2c" + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02\x44\x01\0"
    )
    return head + frame * frames + b";"


def webp(width: int, height: int) -> bytes:
    bits = (width - 1) | (height - 1) << 14
    body = b"\x2f" + struct.pack("<I", bits) + bytes(32)
    chunk = b"VP8L" + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def webp_animation(side: int, frames: int) -> bytes:
    size = struct.pack("<I", side - 1)[:3]
    parts = b"VP8X" + struct.pack("<I", 10) + b"\x02\0\0\0" + size + size
    parts += b"ANIM" + struct.pack("<I", 6) + bytes(6)
    still = webp(16, 16)[12:]
    frame = bytes(6) + struct.pack("<I", 15)[:3] * 2 + b"\x32\0\0\0" + still
    parts += (b"ANMF" + struct.pack("<I", len(frame)) + frame) * frames
    return b"RIFF" + struct.pack("<I", 4 + len(parts)) + b"WEBP" + parts


def avif(width: int, height: int) -> bytes:
    """Write a real AVIF and raise the size in its ispe box."""
    body = pyvips.Image.black(16, 16, bands=3).copy(interpretation="srgb").write_to_buffer(".avif")
    at = body.index(b"ispe") + 8
    return bytes(body[:at] + struct.pack(">II", width, height) + body[at + 8 :])


def jpeg(width: int, height: int) -> bytes:
    body = pyvips.Image.black(16, 16, bands=3).copy(interpretation="srgb").write_to_buffer(".jpg")
    at = body.index(b"\xff\xc0") + 5
    return bytes(body[:at] + struct.pack(">HH", height, width) + body[at + 4 :])


def bmp(width: int, height: int) -> bytes:
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + info + bytes(64)


def jxl(width: int, height: int) -> bytes:
    """Write a codestream header: sizes of up to 18 bits, lowest bit first (ISO 18181-1, SizeHeader)."""
    bits = "0" + _low_first(2, 2) + _low_first(height - 1, 18) + _low_first(0, 3)
    bits += _low_first(2, 2) + _low_first(width - 1, 18) + "1"
    bits += "0" * (-len(bits) % 8)
    body = bytes(int(bits[at : at + 8][::-1], 2) for at in range(0, len(bits), 8))
    return b"\xff\x0a" + body + bytes(64)


def _low_first(value: int, count: int) -> str:
    return format(value, f"0{count}b")[::-1]


def _ifd(entries: list[tuple[int, int, int, int]], following: int) -> bytes:
    body = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    return struct.pack("<H", len(entries)) + body + struct.pack("<I", following)


def _page(width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Entries of a bilevel page in one strip: tag, type, count, value."""
    sizes = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    return [*sizes, (273, 4, 1, 8), (277, 3, 1, 1), (278, 4, 1, height), (279, 4, 1, width)]


def tiff(width: int, height: int) -> bytes:
    return b"II*\0" + struct.pack("<I", 8) + _ifd(_page(width, height), 0)


def tiff_chain(count: int, *, loop: bool = False) -> bytes:
    """Write a chain of directories, or one that ends where it began."""
    size = len(_ifd(_page(1, 1), 0))
    offsets = [8 + n * size for n in range(count)] + [8 if loop else 0]
    return b"II*\0" + struct.pack("<I", 8) + b"".join(_ifd(_page(16, 16), after) for after in offsets[1:])


def _svg(inside: str, before: str = "") -> bytes:
    root = (
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" width="100" height="100">'
    )
    return f"{before}{root}{inside}</svg>".encode()


def svg_uses(depth: int) -> bytes:
    """Each group shows the one before it ten times."""
    uses = [f'<g id="g{n}">' + f'<use xlink:href="#g{n - 1}"/>' * 10 + "</g>" for n in range(1, depth)]
    return _svg(
        '<defs><g id="g0"><rect width="9" height="9"/></g>'
        + "".join(uses)
        + f'</defs><use xlink:href="#g{depth - 1}"/>'
    )


def svg_entities(depth: int) -> bytes:
    lines = ['<!ENTITY e0 "lol">', *(f'<!ENTITY e{n} "{f"&e{n - 1};" * 10}">' for n in range(1, depth))]
    return _svg(f"<text>&e{depth - 1};</text>", f'<?xml version="1.0"?><!DOCTYPE svg [{"".join(lines)}]>')


def svg_patterns(depth: int) -> bytes:
    parts = [
        f'<pattern id="p{n}" width=".01" height=".01"><rect width="100" height="100" fill="url(#p{n - 1})"/></pattern>'
        for n in range(1, depth)
    ]
    first = '<pattern id="p0" width=".01" height=".01"><rect width="1" height="1"/></pattern>'
    return _svg(first + "".join(parts) + f'<rect width="100" height="100" fill="url(#p{depth - 1})"/>')


def svg_deep(depth: int) -> bytes:
    return _svg("<g>" * depth + "</g>" * depth)

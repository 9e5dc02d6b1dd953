"""Proves the engine on real bytes: every format that can be written is, and comes back; what must be refused is."""

from __future__ import annotations

import hashlib
import struct
import time
import zlib
from collections.abc import AsyncIterator
from typing import BinaryIO

from tintype.admission.asker import Asker
from tintype.cli.files import readable
from tintype.core.errors import ImageError, TintypeError
from tintype.core.formats import SAVABLE, Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import Fit, Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Policy
from tintype.core.resolve import resolve
from tintype.ports import Engine

SIDE = 32  # pixels; above the least side of AVIF
DEADLINE_S = 60.0

# Real bytes of formats that libvips could load, called PNG: a worker must not look for another loader.
REFUSED: dict[str, bytes] = {
    "PPM": b"P6 2 2 255\n" + bytes(12),
    "Radiance HDR": b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 2 +X 2\n" + bytes(16),
    "a matrix": b"2 2\n1 2\n3 4\n",
    "CSV": b"1,2\n3,4\n",
}
_SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="32" height="32"><rect width="32" height="32" fill="#369"/></svg>'
)


async def prove(engine: Engine) -> AsyncIterator[tuple[str, str]]:
    """Yield what was tried and what went wrong ("" = nothing)."""
    start = (png(), Format.PNG)
    for kind in sorted(SAVABLE):
        written, error = await _convert(engine, start, kind)
        if not error:
            _, error = await _convert(engine, (written, kind), Format.PNG)
        yield f"{kind} is written and read back", error
    yield "svg is rendered", (await _convert(engine, (_SVG, Format.SVG), Format.PNG))[1]
    for name, data in REFUSED.items():
        yield f"{name} is refused", await _refuses(engine, data)


def png() -> bytes:
    """Return a small PNG of two colours, made without a codec."""
    row = b"\0" + b"".join(bytes((8 * x, 255 - 8 * x, 96)) for x in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(row * SIDE)), (b"IEND", b""))
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


async def _convert(engine: Engine, source: tuple[bytes, Format], to: Format) -> tuple[bytes, str]:
    data, kind = source
    try:
        with readable(data) as file:
            info = await _probe(engine, file, data, kind)
            resize = Resize(width=SIDE // 2, height=SIDE // 2, fit=Fit.EXACT)
            pipeline = Pipeline.of(SourceRef(url="local:///proof"), resize, output=Output(format=to))
            plan = resolve(pipeline, info, Offer(), Policy())
            done = await engine.run(
                [(file.fileno(), len(data), kind)],
                [plan],
                asker=_asker(),
                digest=hashlib.sha256(data).hexdigest(),
            )
            return done.bodies[0], ""
    except TintypeError as error:
        return b"", str(error)


async def _refuses(engine: Engine, data: bytes) -> str:
    try:
        with readable(data) as file:
            await _probe(engine, file, data, Format.PNG)
    except ImageError:
        return ""
    except TintypeError as error:
        return str(error)
    return "it was decoded"


async def _probe(engine: Engine, file: BinaryIO, data: bytes, format: Format) -> ImageInfo:
    return await engine.probe(
        file.fileno(),
        len(data),
        format,
        asker=_asker(),
        digest=hashlib.sha256(data).hexdigest(),
        source_pixels=Policy().source_pixels,
    )


def _asker() -> Asker:
    return Asker("check", deadline=time.monotonic() + DEADLINE_S)

"""Content-encoding undone a bounded piece at a time, so that no body becomes large before its bound is looked at."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from tintype.core.errors import SourceFailed, SourceIncomplete

# Largest piece handed on at once, in bytes.
PIECE = 256 * 1024
ACCEPTED = "gzip, deflate"
# Each member costs a fresh decompressor; real bodies have one, parallel compressors write a few.
_MEMBERS = 64


class Plain:
    """No encoding: pieces as they come."""

    def feed(self, chunk: bytes) -> Iterable[bytes]:
        return (chunk,)

    def end(self) -> None:
        return


class Inflate:
    """gzip (with several members) and deflate (with its zlib header or, as some servers send it, without)."""

    def __init__(self, *, gzip: bool) -> None:
        self._gzip = gzip
        self._stream = zlib.decompressobj(wbits=31) if gzip else None
        self._first = b""
        self._members = 1

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Yield decoded pieces, none larger than PIECE.

        Raises:
            SourceFailed: these bytes are not in the encoding the origin named.
        """
        if self._stream is None:
            chunk = self._first = self._first + chunk
            if len(chunk) < 2:
                return
            self._stream = _deflate(chunk)
        while self._stream.eof is False or self._next_member(chunk):
            try:
                piece = self._stream.decompress(chunk, PIECE)
            except zlib.error as error:
                raise SourceFailed(f"The origin's body is not in the content encoding it names: {error}") from None
            chunk = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                yield piece
            # A full piece may leave output behind in zlib even when all input is taken.
            if not chunk and len(piece) < PIECE:
                return

    def end(self) -> None:
        """Check that the body was whole.

        Raises:
            SourceIncomplete: it ended before its encoding did.
        """
        if self._stream is None or not self._stream.eof:
            raise SourceIncomplete("The origin's compressed body ends too early")

    def _next_member(self, chunk: bytes) -> bool:
        if not self._gzip or not chunk.startswith(b"\x1f"):
            return False  # padding after the end is ignored, as other readers do
        self._members += 1
        if self._members > _MEMBERS:
            raise SourceFailed(f"The origin's body has more than {_MEMBERS} gzip members")
        self._stream = zlib.decompressobj(wbits=31)
        return True


def _deflate(begin: bytes) -> zlib._Decompress:
    # A zlib header is divisible by 31 and names method 8; a raw deflate stream begins otherwise.
    wrapped = (begin[0] << 8 | begin[1]) % 31 == 0 and begin[0] & 15 == 8
    return zlib.decompressobj() if wrapped else zlib.decompressobj(wbits=-15)


def decoder(encoding: str) -> Plain | Inflate:
    """Return a decoder for a Content-Encoding value.

    Raises:
        SourceFailed: an encoding that was not asked for.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return Plain()
        case "gzip" | "x-gzip":
            return Inflate(gzip=True)
        case "deflate":
            return Inflate(gzip=False)
        case other:
            raise SourceFailed(
                f"The origin used the content encoding {other[:40]!r} although only {ACCEPTED} was asked for; let it, or the "
                "CDN in front of it, honour Accept-Encoding, or send images without a content encoding"
            )

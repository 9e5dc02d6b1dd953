"""Content encodings: any body in any pieces comes out whole, and no piece is large."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tintype.core.errors import SourceFailed, SourceIncomplete
from tintype.kit.inflate import PIECE, decoder


def raw_deflate(body: bytes) -> bytes:
    stream = zlib.compressobj(wbits=-15)
    return stream.compress(body) + stream.flush()


ENCODINGS: dict[str, list[Callable[[bytes], bytes]]] = {
    "": [bytes],
    "identity": [bytes],
    "gzip": [gzip.compress, lambda body: gzip.compress(body[:10]) + gzip.compress(body[10:])],
    "x-gzip": [gzip.compress],
    "GZip ": [gzip.compress],
    "deflate": [zlib.compress, raw_deflate],
}


def decoded(encoding: str, sent: bytes, size: int) -> bytes:
    decode = decoder(encoding)
    pieces = [piece for at in range(0, len(sent), size) for piece in decode.feed(sent[at : at + size])]
    decode.end()
    assert all(len(piece) <= max(PIECE, size) for piece in pieces)
    return b"".join(pieces)


@given(
    st.sampled_from([(name, encode) for name, encoders in ENCODINGS.items() for encode in encoders]),
    st.binary(max_size=300) | st.integers(0, 2_000_000).map(lambda size: b"\0" * size),
    st.integers(1, 100_000),
)
def test_comes_out_as_it_went_in(encoding: tuple[str, Callable[[bytes], bytes]], body: bytes, size: int) -> None:
    name, encode = encoding
    assert decoded(name, encode(body), max(size, len(body) // 1000)) == body


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, raw_deflate])
def test_a_bomb_comes_in_small_pieces(encode: Callable[[bytes], bytes]) -> None:
    bomb = encode(b"\0" * 50_000_000)
    assert len(bomb) < 60_000
    decode = decoder("gzip" if encode is gzip.compress else "deflate")
    sizes = [len(piece) for piece in decode.feed(bomb)]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= PIECE


def test_output_left_behind_by_a_full_piece_is_not_lost() -> None:
    """zlib may have taken all input and still hold output; a raw stream has no trailer that would bring it out."""
    for more in range(0, 1200, 4):
        body = b"\0" * (3 * PIECE + more)
        sent = raw_deflate(body)
        assert len(decoded("deflate", sent, len(sent))) == len(body)


@pytest.mark.parametrize("size", [0, 1, 2, 9, 100, -1, -8])
def test_a_body_that_ends_too_early_is_incomplete(size: int) -> None:
    whole = gzip.compress(bytes(range(256)) * 4)
    with pytest.raises(SourceIncomplete):
        decoded("gzip", whole[:size], 7)


def test_padding_after_the_end_is_ignored() -> None:
    assert decoded("gzip", gzip.compress(b"body") + b"\0" * 100, 13) == b"body"
    assert decoded("deflate", zlib.compress(b"body") + b"junk", 100) == b"body"


@pytest.mark.parametrize("sent", [b"GIF89a not gzip at all", gzip.compress(b"", mtime=0)[:10] + b"\x07" * 50])
def test_what_is_not_in_its_encoding_is_a_failure_of_the_origin(sent: bytes) -> None:
    with pytest.raises(SourceFailed):
        decoded("gzip", sent, 1000)


def test_a_thousand_members_are_too_many() -> None:
    with pytest.raises(SourceFailed, match="members"):
        decoded("gzip", gzip.compress(b"") * 1000, 100_000)


@pytest.mark.parametrize("encoding", ["br", "zstd", "compress", "gzip, gzip", "aws-chunked"])
def test_encodings_that_were_not_asked_for_are_refused(encoding: str) -> None:
    with pytest.raises(SourceFailed, match="honour Accept-Encoding"):
        decoder(encoding)

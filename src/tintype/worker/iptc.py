"""The rights fields of IPTC-IIM records, in the Photoshop image resource block that carries them."""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PHOTOSHOP = b"Photoshop 3.0\0"
_SIGNATURE = b"8BIM"
_IPTC = 0x0404
# IIM 4.2: 1:90 coded character set; 2:80 by-line, 2:110 credit, 2:116 copyright notice.
_RIGHTS = frozenset({(1, 90), (2, 80), (2, 110), (2, 116)})
_DATASET = struct.Struct(">BBBH")  # tag marker 0x1C, record, dataset, length


def rights(block: bytes) -> bytes:
    """Return a block with nothing but the rights fields, b"" if there are none or it cannot be read."""
    try:
        kept = b"".join(
            _DATASET.pack(0x1C, record, number, len(value)) + value
            for kind, data in _resources(block)
            if kind == _IPTC
            for record, number, value in _datasets(data)
            if (record, number) in _RIGHTS
        )
    except struct.error:
        return b""
    return _photoshop(kept) if b"\x1c\x02" in kept else b""


def _resources(block: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (id, data). Each is: signature, id, padded Pascal name, length, padded data."""
    at = len(_PHOTOSHOP) if block.startswith(_PHOTOSHOP) else 0
    while block[at : at + 4] == _SIGNATURE:
        (kind, name) = struct.unpack_from(">HB", block, at + 4)
        at += 6 + (name + 2) // 2 * 2
        (size,) = struct.unpack_from(">I", block, at)
        yield kind, block[at + 4 : at + 4 + size]
        at += 4 + (size + 1) // 2 * 2


def _datasets(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    at = 0
    while at + _DATASET.size <= len(data) and data[at] == 0x1C:
        _, record, number, size = _DATASET.unpack_from(data, at)
        at += _DATASET.size
        if size > 0x7FFF:  # an extended length; no rights field is that long
            return
        yield record, number, data[at : at + size]
        at += size


def _photoshop(iptc: bytes) -> bytes:
    body = iptc + b"\0" * (len(iptc) % 2)
    return _PHOTOSHOP + _SIGNATURE + struct.pack(">HHI", _IPTC, 0, len(iptc)) + body

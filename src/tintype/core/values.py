"""The base of every value that is hashed or travels to a worker: frozen, tagged, with one canonical byte form."""

from __future__ import annotations

import hashlib

import msgspec


class Value(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """A frozen, tagged value.

    Defaults are left out of the encoding, so that a field added later, at its default, changes no fingerprint.
    """


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def canonical_bytes(value: Value) -> bytes:
    """Return the one byte form of a value: equal values give equal bytes, whatever number types they were built with."""
    same = msgspec.convert(msgspec.to_builtins(value), type(value))
    return _ENCODER.encode(same)


def fingerprint(*parts: bytes) -> str:
    """Return 32 hex digits (128 bits) over length-prefixed parts, so that no two part lists run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()

"""The base of every value that is hashed or travels to a worker: frozen, tagged, with one canonical byte form."""

from __future__ import annotations

import hashlib
from functools import cache
from typing import Any

import msgspec


class Value(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """A frozen, tagged value.

    Defaults are left out of the encoding, so that a field added later, at its default, changes no fingerprint.
    """


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def canonical_bytes(value: Value) -> bytes:
    """Return the one byte form of a value: equal values give equal bytes, whatever number types they were built with."""
    same = msgspec.convert(msgspec.to_builtins(value), type(value))
    return _ENCODER.encode(_without_defaults(same))


def _without_defaults(value: Any) -> Any:
    """Leave out what equals its default. `omit_defaults` does so only for the very object that is the default."""
    if isinstance(value, Value):
        tag, defaults = _shape(type(value))
        fields = ((name, getattr(value, name), default) for name, default in defaults)
        return tag | {name: _without_defaults(field) for name, field, default in fields if field != default}
    if isinstance(value, tuple):
        return [_without_defaults(item) for item in value]
    return value


@cache
def _shape(kind: type[Value]) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    """Return the tag of a kind of value, and its fields with their defaults (`NODEFAULT` equals nothing)."""
    fields = tuple((field.encode_name, field.default) for field in msgspec.structs.fields(kind))
    config = kind.__struct_config__
    return {config.tag_field or "type": config.tag}, fields


def fingerprint(*parts: bytes) -> str:
    """Return 32 hex digits (128 bits) over length-prefixed parts, so that no two part lists run together."""
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()

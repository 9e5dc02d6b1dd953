"""The base of every value that is hashed or travels to a worker: frozen, tagged, with one canonical byte form."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from enum import StrEnum
from functools import cache
from typing import Any

import msgspec
from msgspec.structs import astuple


class Value(msgspec.Struct, frozen=True, tag=True, omit_defaults=True, kw_only=True):
    """A frozen, tagged value.

    Defaults are left out of the encoding, so that a field added later, at its default, changes no fingerprint.
    """


class Name(StrEnum):
    """One of a few names, hashed as the text it is: Enum's own hash is a function in Python, called for each in a value."""

    __hash__ = str.__hash__


_ENCODER = msgspec.msgpack.Encoder(order="deterministic")


def canonical_bytes(value: Value) -> bytes:
    """Return the one byte form of a value: equal values give equal bytes, whatever number types they were built with."""
    same = msgspec.convert(msgspec.to_builtins(value), type(value))
    return _ENCODER.encode(_without_defaults(same))


def _without_defaults(value: Value) -> dict[str, Any]:
    """Leave out what equals its default. `omit_defaults` does so only for the very object that is the default."""
    tag, fields = _shape(type(value))
    written = {**tag}
    for (name, default), field in zip(fields, astuple(value), strict=True):
        if field is not default and field != default:
            written[name] = field if type(field) in _PLAIN else _written(field)
    return written


_PLAIN = frozenset((int, float, str, bool))


def _written(field: Any) -> Any:
    if isinstance(field, Value):
        return _without_defaults(field)
    return [_written(item) for item in field] if isinstance(field, tuple) else field


@cache
def _shape(kind: type[Value]) -> tuple[dict[str, Any], tuple[tuple[str, Any], ...]]:
    """Return the tag of a kind of value, and its fields with their defaults (`NODEFAULT` equals nothing)."""
    fields = tuple((field.encode_name, field.default) for field in msgspec.structs.fields(kind))
    config = kind.__struct_config__
    return {config.tag_field or "type": config.tag}, fields


def fingerprint(*parts: bytes) -> str:
    """Return 32 hex digits (128 bits) over length-prefixed parts, so that no two part lists run together."""
    return _digest(_joined(parts))


def fingerprints(parts: Iterable[bytes], endings: Iterable[bytes]) -> list[str]:
    """Return the fingerprint of the parts with each of the endings as the last one."""
    begin = _joined(parts)
    return [_digest(begin + _joined((ending,))) for ending in endings]


def _joined(parts: Iterable[bytes]) -> bytes:
    text = b""
    for part in parts:
        text += len(part).to_bytes(8, "big") + part
    return text


def _digest(text: bytes) -> str:
    return hashlib.blake2b(text, digest_size=16).hexdigest()

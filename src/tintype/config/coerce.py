"""Reads one setting's value, from TOML or from a text, and says what it takes when it cannot."""

from __future__ import annotations

import math
import typing
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Any, TypeVar

from tintype.config.schema import Spec
from tintype.core.formats import Format

_TRUE = frozenset({"1", "true", "yes", "on", "t"})
_FALSE = frozenset({"0", "false", "no", "off", "f"})

# Alternative spellings of formats that people write.
_FORMAT_NAMES = {"jpg": "jpeg", "tif": "tiff", "heif": "heic"}

_MOST_NUMBERS = 8

N = TypeVar("N", int, float)
E = TypeVar("E", bound=Enum)


class Wrong(ValueError):
    """A value is not what its setting takes."""


def takes(spec: Spec) -> str:
    """Return in words what a setting takes."""
    return _WORDS[_kind(spec.type)](spec)


def read(spec: Spec, raw: Any) -> Any:
    """Return the value of a setting from TOML's own types.

    Raises:
        Wrong: it is of another type or out of range.
    """
    return _READERS[_kind(spec.type)](spec, raw)


def read_text(spec: Spec, text: str) -> Any:
    """Return the value of a setting from a text: lists are divided by commas, tables are name=value, name=value.

    Raises:
        Wrong: it cannot be read or is out of range.
    """
    return read(spec, _FROM_TEXT.get(_kind(spec.type), str)(text.strip()))


def _kind(kind: Any) -> str:
    if isinstance(kind, type) and issubclass(kind, Enum):
        return "enum"
    if isinstance(kind, type):
        return kind.__name__
    inner = typing.get_args(kind)[0]
    if typing.get_origin(inner) is tuple:
        return "qualities" if typing.get_args(inner)[0] is Format else "table"
    return {Format: "formats", int: "numbers"}.get(inner, "list")


# From TOML


def _bool(_spec: Spec, raw: Any) -> bool:
    if not isinstance(raw, bool):
        raise Wrong
    return raw


def _int(spec: Spec, raw: Any) -> int:
    if isinstance(raw, bool) or not isinstance(raw, int):
        raise Wrong
    return _ranged(spec, raw)


def _float(spec: Spec, raw: Any) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not math.isfinite(raw):
        raise Wrong
    return _ranged(spec, float(raw))


def _ranged(spec: Spec, number: N) -> N:
    if number < spec.least or (spec.most is not None and number > spec.most):
        raise Wrong
    return number


def _str(spec: Spec, raw: Any) -> str:
    if not isinstance(raw, str) or (spec.choices and raw not in spec.choices) or "\0" in raw:
        raise Wrong
    return raw


def _enum(spec: Spec, raw: Any) -> Any:
    return _member(spec.type, raw)


def _list(spec: Spec, raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple):
        raise Wrong
    return tuple(_str(spec, item) for item in raw)


def _numbers(spec: Spec, raw: Any) -> tuple[int, ...]:
    if not isinstance(raw, list | tuple) or len(raw) > _MOST_NUMBERS:
        raise Wrong
    return tuple(sorted({_int(spec, item) for item in raw}))


def _table(_spec: Spec, raw: Any) -> tuple[tuple[str, str], ...]:
    pairs = raw.items() if isinstance(raw, Mapping) else raw
    if not isinstance(raw, Mapping | list | tuple):
        raise Wrong
    return tuple(_pair(p) for p in pairs)


def _pair(raw: Any) -> tuple[str, str]:
    if not isinstance(raw, list | tuple) or len(raw) != 2 or not all(isinstance(part, str) for part in raw):
        raise Wrong
    return (raw[0], raw[1])


def _formats(spec: Spec, raw: Any) -> tuple[Format, ...]:
    if not isinstance(raw, list | tuple):
        raise Wrong
    found = tuple(dict.fromkeys(_format(item) for item in raw))
    if spec.choices and not set(found) <= set(spec.choices):
        raise Wrong
    return found


def _qualities(spec: Spec, raw: Any) -> tuple[tuple[Format, int], ...]:
    if not isinstance(raw, Mapping):
        raise Wrong
    return tuple(sorted((_format(name), _int(spec, value)) for name, value in raw.items()))


def _format(raw: Any) -> Format:
    name = raw.lower() if isinstance(raw, str) else raw
    return _member(Format, _FORMAT_NAMES.get(name, name) if isinstance(name, str) else name)


def _member(kind: type[E], raw: Any) -> E:
    try:
        return kind(raw)
    except ValueError:
        raise Wrong from None


# From text


def _text_bool(text: str) -> Any:
    if text.lower() in _TRUE:
        return True
    return False if text.lower() in _FALSE else text


def _text_number(make: Callable[[str], Any]) -> Callable[[str], Any]:
    def parse(text: str) -> Any:
        try:
            return make(text)
        except ValueError:
            raise Wrong from None

    return parse


def _text_list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")] if text else []


def _text_numbers(text: str) -> list[Any]:
    return [_text_number(int)(part) for part in _text_list(text)]


def _text_table(text: str) -> list[tuple[str, ...]]:
    parts = [part.partition("=") for part in _text_list(text)]
    if not all(equals for _, equals, _ in parts):
        raise Wrong
    return [(name.strip(), value.strip()) for name, _, value in parts]


def _text_qualities(text: str) -> dict[str, Any]:
    return {name: _text_number(int)(value) for name, value in _text_table(text)}


# In words


def _range_words(noun: str) -> Callable[[Spec], str]:
    def words(spec: Spec) -> str:
        least = f"{spec.least:g}" if isinstance(spec.least, float) else f"{spec.least}"
        return f"{noun}, {least} or more" if spec.most is None else f"{noun}, {least} to {spec.most:g}"

    return words


def _choice_words(noun: str) -> Callable[[Spec], str]:
    def words(spec: Spec) -> str:
        return f"{noun}: {', '.join(spec.choices)}" if spec.choices else noun

    return words


_READERS: dict[str, Callable[[Spec, Any], Any]] = {
    "bool": _bool,
    "int": _int,
    "float": _float,
    "str": _str,
    "enum": _enum,
    "list": _list,
    "numbers": _numbers,
    "table": _table,
    "formats": _formats,
    "qualities": _qualities,
}
_FROM_TEXT: dict[str, Callable[[str], Any]] = {
    "bool": _text_bool,
    "int": _text_number(int),
    "float": _text_number(float),
    "list": _text_list,
    "numbers": _text_numbers,
    "formats": _text_list,
    "table": _text_table,
    "qualities": _text_qualities,
}
_WORDS: dict[str, Callable[[Spec], str]] = {
    "bool": lambda _: "true or false",
    "int": _range_words("a whole number"),
    "float": _range_words("a number"),
    "str": lambda spec: f"one of {', '.join(spec.choices)}" if spec.choices else "text",
    "enum": lambda spec: f"one of {', '.join(m.value for m in spec.type)}",
    "list": _choice_words("a list of texts"),
    "numbers": _range_words(f"a list of at most {_MOST_NUMBERS} whole numbers"),
    "table": lambda _: "a table of names and texts",
    "formats": lambda spec: f"a list of formats: {', '.join(spec.choices or [f.value for f in Format])}",
    "qualities": lambda _: "a table of formats and qualities, 1 to 100",
}

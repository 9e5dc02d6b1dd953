"""Values as they were given, before they are read: from a TOML file, TINTYPE_ variables and flags."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

from tintype.config import schema
from tintype.config.schema import Path
from tintype.core.errors import Misconfigured

PREFIX = "TINTYPE_"
# Variables of ours that are no settings.
_OTHERS = frozenset({"TINTYPE_CONFIG", "TINTYPE_SHARED"})
# A configuration is written by people; more is a mistake (a wrong file).
FILE_BYTES = 4_000_000


@dataclass(frozen=True, slots=True)
class Given:
    """A value for the setting at `path`. `text`: it still has to be read from text."""

    path: Path
    raw: Any
    origin: str
    text: bool = False


def from_file(file: File) -> list[Given]:
    """Read a TOML file.

    Raises:
        Misconfigured: it cannot be read or is not TOML.
    """
    source = read_file(file)
    try:
        tree = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise Misconfigured(f"{file} is not TOML: {error}") from None
    lines = _lines(source)
    return [Given(path, raw, _place(file, lines, path)) for path, raw in _leaves((), tree)]


def read_file(file: File) -> str:
    """Return a small text file.

    Raises:
        Misconfigured: it is not there, not readable or too large to be meant.
    """
    try:
        if file.stat().st_size > FILE_BYTES:
            raise Misconfigured(f"{file} is larger than {FILE_BYTES} bytes; is it the right file?")
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise Misconfigured(f"{file} cannot be read: {reason}") from None


def _leaves(at: Path, tree: Mapping[str, Any]) -> Iterator[tuple[Path, Any]]:
    for name, value in tree.items():
        path = (*at, name)
        if schema.pattern(path) == ("tenants", schema.ANY, "keys") and _is_key_table(value):
            yield from _key_table(at, value)
        elif isinstance(value, Mapping) and schema.find(path) is None:
            # An empty [tenants.acme] still declares a tenant.
            yield from _leaves(path, value) if value else [(path, value)]
        else:
            yield path, value


def _is_key_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def _key_table(at: Path, items: list[Mapping[str, Any]]) -> Iterator[tuple[Path, Any]]:
    """[[tenants.acme.keys]] with id, key and salt, as the three lists that it means."""
    for item in items:
        unknown = item.keys() - {"id", "key", "salt"}
        if unknown or not {"key", "salt"} <= item.keys():
            raise Misconfigured(f"[[{'.'.join(at)}.keys]] takes key, salt and id; it has {', '.join(item)}")
    yield (*at, "keys"), [item["key"] for item in items]
    yield (*at, "salts"), [item["salt"] for item in items]
    if any("id" in item for item in items):
        yield (*at, "key_ids"), [item.get("id", str(number)) for number, item in enumerate(items, 1)]


_TABLE = re.compile(r"^\s*\[\[?\s*([^\]]+?)\s*\]\]?")
_KEY = re.compile(r"""^\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")


def _lines(source: str) -> dict[Path, int]:
    """Return the line of each table and key; a hint for people, made without a second TOML parser."""
    found: dict[Path, int] = {}
    table: Path = ()
    for number, line in enumerate(source.splitlines(), 1):
        if match := _TABLE.match(line):
            table = _parts(match[1])
            found.setdefault(table, number)
        elif match := _KEY.match(line):
            found.setdefault((*table, *_parts(match[1])), number)
    return found


def _parts(dotted: str) -> Path:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _place(file: File, lines: Mapping[Path, int], path: Path) -> str:
    for length in range(len(path), 0, -1):
        if path[:length] in lines:
            return f"{file}:{lines[path[:length]]}"
    return str(file)


def from_env(env: Mapping[str, str], names: Mapping[str, set[str]]) -> list[Given]:
    """Read TINTYPE_SECTION__FIELD variables; `names` are the tenants and stores that the file has, by their parent."""
    found = []
    for variable in sorted(env):
        if variable.startswith(PREFIX) and variable not in _OTHERS:
            parts = variable.removeprefix(PREFIX).lower().split("__")
            found.append(Given(_named(tuple(parts), names), env[variable], variable, text=True))
    return found


def _named(path: Path, names: Mapping[str, set[str]]) -> Path:
    """Give the operator's own names back the spelling of the file: ACME_SHOP may mean acme-shop."""
    for parent, at in (("tenants", 1), ("stores", 2)):
        if len(path) > at and path[at - 1] == parent:
            for name in names.get(parent, ()):
                if name.lower().replace("-", "_") == path[at]:
                    return (*path[:at], name, *path[at + 1 :])
    return path


def from_flags(overrides: Mapping[str, str]) -> list[Given]:
    """Read `server.port` -> text, as flags give them."""
    return [Given(tuple(name.split(".")), text, f"--set {name}", text=True) for name, text in overrides.items()]

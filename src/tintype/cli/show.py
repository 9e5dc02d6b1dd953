"""`tintype config`: the effective settings, where each came from, and what it means."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tintype.cli.common import ConfigFile, Sets, loaded
from tintype.config import Loaded, Setting, with_keys

MASK = "***"


def config(
    config: ConfigFile = None,
    sets: Sets = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only what is not at its default.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    as_toml: Annotated[bool, typer.Option("--toml", help="As a TOML file; secrets are left out.")] = False,
) -> None:
    """Print the effective settings: value, origin and meaning. Secrets are ***.

    \b
    Examples:
      tintype config
      tintype config --changed
      tintype config --json | jq '.[] | select(.origin != "default")'
      IMGPROXY_KEY=... tintype config --toml > tintype.toml
    """
    given = with_keys(loaded(config, sets), create=False)
    settings = [s for s in given.settings if s.changed or not changed]
    if as_json:
        typer.echo(json.dumps([_row(s) for s in settings], indent=2))
    elif as_toml:
        typer.echo(_toml(settings))
    else:
        _print(given, settings)


def shown(setting: Setting) -> Any:
    """Return a setting's value fit for people: secrets masked, tuples as lists and tables."""
    if setting.secret and setting.value:
        return [MASK] * len(setting.value) if isinstance(setting.value, tuple) else MASK
    return plain(setting.value, setting.default)


def plain(value: Any, default: Any = None) -> Any:
    """Return a value as TOML and JSON have it; `default` tells an empty table from an empty list."""
    if isinstance(value, tuple):
        is_table = any(isinstance(item, tuple) for item in (*value, *(default or ())))
        return {str(k): plain(v) for k, v in value} if is_table else [plain(item) for item in value]
    return value if isinstance(value, bool | int | float) else str(value)


def _row(setting: Setting) -> dict[str, Any]:
    return {
        "name": setting.name,
        "value": shown(setting),
        "origin": setting.origin,
        "default": plain(setting.default),
        "meaning": setting.doc,
    }


def _print(given: Loaded, settings: list[Setting]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold", row_styles=["", "dim"])
    table.add_column("setting", no_wrap=True)
    table.add_column("value", overflow="fold", max_width=48)
    table.add_column("from", overflow="fold")
    table.add_column("meaning", overflow="fold")
    for setting in settings:
        value = json.dumps(shown(setting)) if isinstance(setting.value, tuple) else str(shown(setting))
        origin = Text(setting.origin, style="bold" if setting.changed else "")
        table.add_row(setting.name, Text(value or '""'), origin, Text(setting.doc))
    console.print(table)
    for warning in given.warnings:
        console.print(Text(f"warning: {warning}", style="yellow"))


def _toml(settings: list[Setting]) -> str:
    """Write TOML by hand: the value kinds are few, and a writer would be one more dependency."""
    lines: list[str] = []
    section = ""
    for setting in settings:
        parent, _, name = setting.name.rpartition(".")
        if parent != section:
            section = parent
            lines += ["", f"[{section}]"]
        lines.append(f"# {setting.doc} ({setting.origin})")
        hidden = setting.secret and setting.value
        lines.append(f"# {name} = a secret, not shown" if hidden else f"{name} = {_toml_value(shown(setting))}")
    return "\n".join(lines).lstrip()


def _toml_value(value: Any) -> str:
    if isinstance(value, dict):
        return (
            "{ " + ", ".join(f"{json.dumps(k)} = {_toml_value(v)}" for k, v in value.items()) + " }" if value else "{}"
        )
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(item) for item in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    # JSON's escapes of strings are TOML's too.
    return json.dumps(value) if isinstance(value, str) else repr(value)

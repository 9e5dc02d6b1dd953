"""`tintype explain`: what a running node would do with a URL now."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from tintype.cli.common import ConfigFile, Sets
from tintype.cli.node import Node


def explain(
    url: Annotated[str, typer.Argument(help="The URL of an image as it is served, signed; its path will do.")],
    accept: Annotated[str, typer.Option(help="What the client accepts, as image/avif,image/webp.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    server: Annotated[str, typer.Option(help="Where the node is.", show_default=False)] = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Tell what a running node would do with a URL now, without doing it; needs server.admin_token.

    \b
    Examples:
      tintype explain /SIGNATURE/rs:fill:300:200/plain/https://example.com/cat.jpg
      tintype explain "$(tintype url https://example.com/cat.jpg --width 300)" --json
    """
    told = Node(server, config, sets).get("explain", {"url": url, "accept": accept})
    typer.echo(json.dumps(told, indent=2) if as_json else "\n".join(_lines(told)))


def _lines(told: Mapping[str, Any], indent: str = "") -> list[str]:
    """Return what is told a line each: names, then values; what has parts has them below it."""
    lines: list[str] = []
    for name, value in told.items():
        if isinstance(value, dict):
            lines += [f"{indent}{name}", *_lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines += [line for one in value for line in (f"{indent}{name}", *_lines(one, indent + "  "))]
        elif value not in (None, "", []):
            lines.append(f"{indent}{name}: {', '.join(map(str, value)) if isinstance(value, list) else value}")
    return lines

"""`tintype version`."""

from __future__ import annotations

import platform

import typer

from tintype import __version__


def version() -> None:
    """Print the version.

    \b
    Examples:
      tintype version
    """
    typer.echo(f"tintype {__version__} (Python {platform.python_version()}, {platform.system()} {platform.machine()})")

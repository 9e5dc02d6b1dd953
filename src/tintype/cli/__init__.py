"""The command line: one file, one command. Errors are one line on standard error and exit code 2."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from tintype.core.errors import TintypeError

# Commands, each a function of its name, and the module that has it.
_COMMANDS = {
    "serve": "serve",
    "sign": "urls",
    "url": "urls",
    "transform": "transform",
    "check": "check",
    "config": "show",
    "purge": "purge",
    "explain": "explain",
    "version": "version",
}


class _Commands(Mapping[str, TyperCommand]):
    """Commands by name. Each is imported when it is asked for: a server does not need what draws tables."""

    def __getitem__(self, name: str) -> TyperCommand:
        module = import_module(f"tintype.cli.{_COMMANDS[name]}")
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(getattr(module, name))
        command = typer.main.get_command(alone)
        assert isinstance(command, TyperCommand)
        return command

    def __iter__(self) -> Iterator[str]:
        return iter(_COMMANDS)

    def __len__(self) -> int:
        return len(_COMMANDS)


class _Told(TyperGroup):
    """Says what went wrong in one line; a traceback is for defects only."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.commands = _Commands()  # type: ignore[assignment]  # nobody adds to them

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            ctx.exit(0)
        except (TintypeError, OSError) as error:
            where = f"{error.filename}: " if isinstance(error, OSError) and error.filename else ""
            said = (error.strerror or str(error)) if isinstance(error, OSError) else str(error)
            typer.echo(f"tintype: {where}{said}", err=True)
            ctx.exit(2)


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.callback(cls=_Told, no_args_is_help=True)
def _tintype() -> None:
    """tintype: a signed URL in, the right image out."""

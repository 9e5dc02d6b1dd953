"""The command line: one file, one command. Errors are one line on standard error and exit code 2."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from tintype.cli.check import check
from tintype.cli.explain import explain
from tintype.cli.purge import purge
from tintype.cli.serve import serve
from tintype.cli.show import config
from tintype.cli.transform import transform
from tintype.cli.urls import sign, url
from tintype.cli.version import version
from tintype.core.errors import TintypeError


class _Told(TyperGroup):
    """Says what went wrong in one line; a traceback is for defects only."""

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


app = typer.Typer(
    cls=_Told,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="tintype: a signed URL in, the right image out.",
)
for command in (serve, sign, url, transform, check, config, purge, explain, version):
    app.command()(command)

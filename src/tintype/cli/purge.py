"""`tintype purge`: ask a running node to drop what it holds."""

from __future__ import annotations

from typing import Annotated

import typer

from tintype.cli.common import ConfigFile, Sets
from tintype.cli.node import Node


def purge(
    url: Annotated[str, typer.Option(help="The URL of an image as it is served, signed.", show_default=False)] = "",
    source: Annotated[str, typer.Option(help="A source URL: every variant of it.", show_default=False)] = "",
    prefix: Annotated[str, typer.Option(help="Every source URL that begins so.", show_default=False)] = "",
    tag: Annotated[str, typer.Option(help="Everything with this tag.", show_default=False)] = "",
    everything: Annotated[bool, typer.Option("--all", help="Everything.")] = False,
    soft: Annotated[bool, typer.Option("--soft", help="Serve what is there, stale, until it is renewed.")] = False,
    tenant: Annotated[str, typer.Option("--tenant", "-t", help="Only of this tenant.", show_default=False)] = "",
    server: Annotated[str, typer.Option(help="Where the node is.", show_default=False)] = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Drop results and sources from a running node; needs server.admin_token.

    \b
    Examples:
      tintype purge --source https://example.com/a.jpg
      tintype purge --prefix https://example.com/products/ --soft
      tintype purge --url 'http://127.0.0.1:8080/SIGNATURE/rs:fit:300:300/plain/https://example.com/a.jpg'
      tintype purge --all --server http://10.0.0.5:8080
    """
    wanted = {"url": url, "source": source, "prefix": prefix, "tag": tag, "all": everything}
    named = {name: value for name, value in wanted.items() if value}
    if len(named) != 1:
        raise typer.BadParameter("give exactly one of --url, --source, --prefix, --tag and --all")
    done = Node(server, config, sets).post("purge", named | {"soft": soft, "tenant": tenant})
    typer.echo(
        f"{done.get('results', 0)} results and {done.get('sources', 0)} sources {'are stale' if soft else 'dropped'}"
    )

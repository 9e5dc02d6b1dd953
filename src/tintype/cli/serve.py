"""`tintype serve`: run a node."""

from __future__ import annotations

from typing import Annotated

import typer

from tintype.cli.common import ConfigFile, Sets, loaded
from tintype.config import with_keys
from tintype.wiring.supervise import supervise


def serve(
    config: ConfigFile = None,
    sets: Sets = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.", show_default=False)] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on.", show_default=False)] = None,
    data_dir: Annotated[str | None, typer.Option(help="Folder of keys and caches.", show_default=False)] = None,
) -> None:
    """Run a node: fetch, render, cache and serve images.

    Without configuration it makes a signing key, listens on 127.0.0.1:8080 and prints URLs that work.
    SIGHUP, or a change of the configuration file, loads the configuration again.

    \b
    Examples:
      tintype serve
      tintype serve --config /etc/tintype.toml
      tintype serve --port 9000 --set limits.request_timeout_s=20
      IMGPROXY_KEY=... IMGPROXY_SALT=... tintype serve
    """
    given = loaded(config, sets, server__host=host, server__port=port, data_dir=data_dir)
    raise typer.Exit(supervise(with_keys(given)))

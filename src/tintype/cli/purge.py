"""`tintype purge`: ask a running node to drop what it holds."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Annotated

import typer

from tintype.cli.common import ConfigFile, Sets, loaded
from tintype.core.errors import Misconfigured, TintypeError

TIMEOUT_S = 60.0
ANSWER_BYTES = 1_000_000


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
    settings = loaded(config, sets).config.server
    if not settings.admin_token:
        raise Misconfigured(
            "server.admin_token is not set here; set it (TINTYPE_SERVER__ADMIN_TOKEN) as the server has it"
        )
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
    base = server or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    done = _post(
        f"{base.rstrip('/')}{settings.path_prefix}/v1/purge",
        settings.admin_token,
        named | {"soft": soft, "tenant": tenant},
    )
    typer.echo(
        f"{done.get('results', 0)} results and {done.get('sources', 0)} sources {'are stale' if soft else 'dropped'}"
    )


def _post(url: str, token: str, body: dict[str, object]) -> dict[str, object]:
    if not url.startswith(("http://", "https://")):
        raise typer.BadParameter(f"{url} is not an http URL", param_hint="--server")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - http and https only, above
    try:
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
            found: dict[str, object] = json.loads(answer.read(ANSWER_BYTES))
            return found
    except urllib.error.HTTPError as error:
        raise TintypeError(f"{url} answered {error.code}: {_detail(error)}") from None
    except (urllib.error.URLError, TimeoutError) as error:
        raise TintypeError(f"{url} cannot be reached: {getattr(error, 'reason', error)}") from None
    except ValueError:
        raise TintypeError(f"{url} did not answer with JSON; is this a tintype server?") from None


def _detail(error: urllib.error.HTTPError) -> str:
    try:
        return str(json.loads(error.read(ANSWER_BYTES))["detail"])
    except (ValueError, KeyError, TypeError, OSError):
        return str(error.reason)

"""A running node, asked through its control API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import typer

from tintype.cli.common import loaded
from tintype.core.errors import Misconfigured, TintypeError

TIMEOUT_S = 60.0
ANSWER_BYTES = 1_000_000


class Node:
    """The node of a configuration, or of the URL `server`. Raises Misconfigured: no token to ask it with is set here."""

    def __init__(self, server: str, config: Path | None, sets: list[str] | None) -> None:
        settings = loaded(config, sets).config.server
        if not settings.admin_token:
            raise Misconfigured(
                "server.admin_token is not set here; set it (TINTYPE_SERVER__ADMIN_TOKEN) as the server has it"
            )
        host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104
        base = server or f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
        if not base.startswith(("http://", "https://")):
            raise typer.BadParameter(f"{base} is not an http URL", param_hint="--server")
        self._url, self._token = f"{base.rstrip('/')}{settings.path_prefix}/v1/", settings.admin_token

    def get(self, name: str, query: Mapping[str, str]) -> dict[str, Any]:
        """Ask a question. Raises TintypeError: the node's own words, or that it cannot be reached; as does `post`."""
        return self._ask(name, urllib.request.Request(f"{self._url}{name}?{urlencode(query)}"))  # noqa: S310 - http(s) only

    def post(self, name: str, body: Mapping[str, object]) -> dict[str, Any]:
        """Give an order."""
        headers = {"Content-Type": "application/json"}
        return self._ask(name, urllib.request.Request(f"{self._url}{name}", json.dumps(body).encode(), headers))  # noqa: S310

    def _ask(self, name: str, request: urllib.request.Request) -> dict[str, Any]:
        request.add_header("Authorization", f"Bearer {self._token}")
        url = f"{self._url}{name}"
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
                found: dict[str, Any] = json.loads(answer.read(ANSWER_BYTES))
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

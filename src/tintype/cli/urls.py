"""`tintype sign` and `tintype url`: signed URLs, made by the dialect that will read them."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from tintype.cli.common import ConfigFile, Sets, TenantName, loaded, tenant_of
from tintype.config import Config, TenantConfig, with_keys
from tintype.core.asked import Asked
from tintype.dialects.imgproxy import Imgproxy
from tintype.dialects.imgproxy.sign import UNSIGNED, Signatures

_FITS = {"fit", "fill", "fill-down", "force", "auto"}

KeyId = Annotated[
    str, typer.Option("--key", help="Id of the key to sign with (key_ids); empty = the first.", show_default=False)
]
Base = Annotated[str, typer.Option("--base", help="Where the server is, as clients see it.", show_default=False)]


def sign(
    path: Annotated[str, typer.Argument(help="Path without its signature: /rs:fit:300:300/plain/https://...")],
    tenant: TenantName = "",
    key: KeyId = "",
    base: Base = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Sign a path as it stands.

    \b
    Examples:
      tintype sign /rs:fit:300:300/plain/https://example.com/a.jpg
      tintype sign --tenant acme /w:200/plain/local:///cat.jpg@webp
      tintype sign --base https://img.example.com /w:200/plain/local:///cat.jpg
    """
    given = with_keys(loaded(config, sets))
    owner = _signing_with(key, tenant_of(given, tenant))
    path = path if path.startswith("/") else f"/{path}"
    _parse(owner, path)
    typer.echo(f"{base.rstrip('/')}{owner.imgproxy.path_prefix}/{Signatures(owner.imgproxy).sign(path)}{path}")


def url(
    source: Annotated[str, typer.Argument(help="The source: https://..., local:///..., s3://...")],
    width: Annotated[int, typer.Option("--width", "-w", min=0, help="Width; 0 follows from the height.")] = 0,
    height: Annotated[int, typer.Option("--height", "-h", min=0, help="Height; 0 follows from the width.")] = 0,
    fit: Annotated[str, typer.Option(help="fit, fill, fill-down, force or auto.")] = "fit",
    format: Annotated[str, typer.Option("--format", "-f", help="webp, avif, png ...", show_default=False)] = "",
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="Any further option, as in q:80 or blur:2.", show_default=False),
    ] = None,
    tenant: TenantName = "",
    key: KeyId = "",
    base: Base = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Build a signed URL.

    \b
    Examples:
      tintype url https://example.com/a.jpg --width 300 --height 200 --fit fill
      tintype url local:///cat.jpg -w 512 -f webp -o q:70 -o blur:2
      tintype url --base https://img.example.com s3://photos/cat.jpg -w 512
    """
    if fit not in _FITS:
        raise typer.BadParameter(f"{fit!r}; it takes {', '.join(sorted(_FITS))}", param_hint="--fit")
    given = with_keys(loaded(config, sets))
    owner = _signing_with(key, tenant_of(given, tenant))
    separator = owner.imgproxy.arguments_separator
    resize = [separator.join(("rs", fit, str(width), str(height)))] if width or height else []
    options = "".join(f"/{one}" for one in [*resize, *(option or ())])
    asked = _parse(owner, f"{options}/plain/{_escaped(source)}{f'@{format}' if format else ''}")
    target = Imgproxy(owner.imgproxy).format(asked)
    typer.echo(f"{(base or _base(given.config, owner)).rstrip('/')}{owner.imgproxy.path_prefix}{target}")


def _signing_with(key: str, owner: TenantConfig) -> TenantConfig:
    """Return the tenant with one key only: the one with this id."""
    if not key:
        return owner
    settings = owner.imgproxy
    if key not in settings.key_ids:
        known = ", ".join(settings.key_ids) or "none has an id"
        raise typer.BadParameter(f"{key!r} is not the id of a key of tenant {owner.name}: {known}", param_hint="--key")
    at = settings.key_ids.index(key)
    return replace(
        owner, imgproxy=replace(settings, keys=(settings.keys[at],), salts=(settings.salts[at],), key_ids=(key,))
    )


def _parse(owner: TenantConfig, path: str) -> Asked:
    """Read a path as the server will, so that a mistake is told here and not there."""
    unsigned = replace(owner.imgproxy, keys=(), salts=(), key_ids=())
    return Imgproxy(unsigned).parse(f"/{UNSIGNED}{path}", now=0.0)


def _escaped(source: str) -> str:
    """Percent-encode what has a meaning in a plain source."""
    for char in "%?#@ ":
        source = source.replace(char, f"%{ord(char):02X}")
    return source


def _base(config: Config, owner: TenantConfig) -> str:
    host = owner.tenant.hosts[0] if owner.tenant.hosts else config.server.host
    host = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - every address: this machine's own
    return f"http://{f'[{host}]' if ':' in host else host}:{config.server.port}"

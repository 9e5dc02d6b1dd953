"""What the commands share: the options that choose a configuration, and a tenant of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from tintype.config import Config, Loaded, TenantConfig, load
from tintype.core.errors import Misconfigured

ConfigFile: TypeAlias = Annotated[
    Path | None,
    typer.Option("--config", "-c", help="TOML file; else TINTYPE_CONFIG, else ./tintype.toml.", show_default=False),
]
Sets: TypeAlias = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set one setting, as in server.port=9000.", show_default=False),
]
TenantName: TypeAlias = Annotated[
    str, typer.Option("--tenant", "-t", help="Whose keys and presets; the first tenant by default.", show_default=False)
]


def loaded(file: Path | None, sets: list[str] | None, **flags: object) -> Loaded:
    """Load the configuration with --set and the flags that are short for one; flags win.

    Raises:
        Misconfigured: as `load`, or a --set that is not NAME=VALUE.
    """
    overrides = {}
    for one in sets or []:
        name, equals, value = one.partition("=")
        if not equals:
            raise Misconfigured(f"--set {one}: it takes NAME=VALUE, such as server.port=9000")
        overrides[name] = value
    overrides |= {name.replace("__", "."): str(value) for name, value in flags.items() if value is not None}
    return load(overrides, path=str(file) if file else None)


def tenant_of(config: Loaded, name: str) -> TenantConfig:
    """Return a tenant by name, or the first.

    Raises:
        Misconfigured: there is no such tenant.
    """
    tenants = config.config.tenants
    found = next((t for t in tenants if t.name == name), None) if name else tenants[0]
    if found is None:
        raise Misconfigured(f"there is no tenant {name}; there are: {', '.join(t.name for t in tenants)}")
    return found


def quiet(given: Loaded) -> Config:
    """Return the configuration of a command that talks to a person: only warnings are logged, unless a level was set."""
    level = next(s for s in given.settings if s.name == "telemetry.log_level")
    if level.changed:
        return given.config
    return replace(given.config, telemetry=replace(given.config.telemetry, log_level="warning"))

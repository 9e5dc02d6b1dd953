"""Makes the frozen `Config` from values by path, and lists the effective settings with their origins."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from tintype.config import schema
from tintype.config.schema import Path
from tintype.config.values import Config, Setting, TenantConfig
from tintype.core.policy import Policy
from tintype.core.quota import QuotaSettings
from tintype.core.tenant import DeliverySettings, StandIn, Tenant
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.sources.settings import StoreSettings

# The value and where it came from, by path.
Values = dict[Path, tuple[Any, str]]


def build(values: Values) -> Config:
    """Return the configuration that values and defaults make."""
    hints = typing.get_type_hints(Config)
    sections: dict[str, Any] = {name: hints[name](**_at(values, (name,))) for name in schema.SECTIONS}
    stores = tuple(
        (name, StoreSettings(**_at(values, ("sources", "stores", name)))) for name in _names(values, "stores")
    )
    sections["sources"] = dataclasses.replace(sections["sources"], stores=stores)
    config = Config(**{**_at(values, ()), **sections})
    tenants = tuple(
        _tenant(values, name, config.server.path_prefix) for name in _names(values, "tenants") or ("default",)
    )
    return dataclasses.replace(config, tenants=tenants, embedded=_is_embedded(config, tenants))


def _is_embedded(config: Config, tenants: tuple[TenantConfig, ...]) -> bool:
    """One tenant that nobody gave keys: it is signed with keys of its own, so that the default is a safe one."""
    only = tenants[0]
    unsigned = not only.imgproxy.keys and not only.imgproxy.trusted_signatures
    return config.profile == "tintype" and len(tenants) == 1 and only.name == "default" and unsigned


def _tenant(values: Values, name: str, path_prefix: str) -> TenantConfig:
    at = ("tenants", name)
    own = _at(values, at)
    watermark = StandIn(**_at(values, (*at, "watermark")))
    tenant = Tenant(
        name=name,
        policy=replace(Policy(), watermark=bool(watermark), **_at(values, (*at, "policy"))),
        delivery=DeliverySettings(**_at(values, (*at, "delivery"))),
        quota=QuotaSettings(**_at(values, (*at, "quota"))),
        key_quota=QuotaSettings(**_at(values, (*at, "key_quota"))),
        client_quota=QuotaSettings(**_at(values, (*at, "client_quota"))),
        watermark=watermark,
        fallback=StandIn(**_at(values, (*at, "fallback"))),
        **_only(Tenant, own),
    )
    prefix = path_prefix + tenant.prefix
    return TenantConfig(tenant, ImgproxySettings(path_prefix=prefix, **_only(ImgproxySettings, own)))


def _only(kind: type, own: dict[str, Any]) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(kind)}
    return {name: value for name, value in own.items() if name in names}


def _at(values: Values, at: Path) -> dict[str, Any]:
    """Return the values directly below a path, by name."""
    below = len(at) + 1
    return {p[-1]: v for p, (v, _) in values.items() if len(p) == below and p[:-1] == at and schema.find(p) is not None}


def _names(values: Values, parent: str) -> tuple[str, ...]:
    at = {"tenants": ("tenants",), "stores": ("sources", "stores")}[parent]
    return tuple(dict.fromkeys(p[len(at)] for p in values if p[: len(at)] == at and len(p) > len(at)))


def effective(config: Config, values: Values) -> tuple[Setting, ...]:
    """Return every setting that is in force, in the order of the reference page, tenants and stores by name."""
    found = []
    for spec in schema.specs().values():
        for path in _expand(spec.path, config):
            value, origin = values.get(path, (spec.default, "default"))
            found.append(Setting(".".join(path), value, origin, spec.default, spec.doc, spec.secret))
    return tuple(found)


def _expand(path: Path, config: Config) -> Iterator[Path]:
    if schema.ANY not in path:
        yield path
    else:
        at = path.index(schema.ANY)
        stores = tuple(name for name, _ in config.sources.stores)
        names = tuple(t.name for t in config.tenants) if path[0] == "tenants" else stores
        yield from ((*path[:at], name, *path[at + 1 :]) for name in names)

"""Every setting there is, found by walking the settings classes: its name, type, default, range and meaning."""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from tintype.config.policy import POLICY
from tintype.config.values import Config
from tintype.core.policy import Policy
from tintype.core.quota import QuotaSettings
from tintype.core.tenant import DeliverySettings, StandIn, Tenant
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.sources.settings import StoreSettings

Path = tuple[str, ...]

# In the place of a name that the operator chooses: tenants.*, sources.stores.*
ANY = "*"
SECTIONS = ("server", "engine", "admission", "security", "cache", "coordination", "sources", "telemetry", "limits")
_QUOTAS = ("quota", "key_quota", "client_quota")
_FALLBACK_ONLY = frozenset({"status", "ttl_s"})


@dataclass(frozen=True, slots=True)
class Spec:
    """One setting. `path` has `*` where a name is the operator's."""

    path: Path
    type: Any
    default: Any
    doc: str
    secret: bool = False
    least: float = 0
    most: float | None = None
    choices: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def variable(self) -> str:
        """The environment variable that sets it."""
        return variable(tuple("NAME" if p == ANY else p for p in self.path))


def variable(path: Path) -> str:
    """Return the environment variable of a path."""
    return "TINTYPE_" + "__".join(part.upper().replace("-", "_") for part in path)


@cache
def specs() -> MappingProxyType[Path, Spec]:
    """Return every setting by path, in the order of the reference page."""
    found = [*_fields((), Config, skip={*SECTIONS, "tenants", "embedded"})]
    hints = typing.get_type_hints(Config)
    for section in SECTIONS:
        found += _fields((section,), hints[section], skip={"stores"})
    found += _fields(("sources", "stores", ANY), StoreSettings)
    found += _tenant(("tenants", ANY))
    return MappingProxyType({spec.path: spec for spec in found})


def _tenant(at: Path) -> Iterator[Spec]:
    yield from _fields(at, Tenant, skip={"name", "policy", "delivery", *_QUOTAS, "watermark", "fallback"})
    yield from _fields(at, ImgproxySettings)
    for field in msgspec.structs.fields(Policy):
        yield from _spec((*at, "policy", field.name), field.type, field.default, POLICY.get(field.name, {"doc": ""}))
    yield from _fields((*at, "delivery"), DeliverySettings)
    for quota in _QUOTAS:
        yield from _fields((*at, quota), QuotaSettings)
    yield from _fields((*at, "watermark"), StandIn, skip=_FALLBACK_ONLY)
    yield from _fields((*at, "fallback"), StandIn)


def _fields(at: Path, kind: type, skip: set[str] | frozenset[str] = frozenset()) -> Iterator[Spec]:
    hints = typing.get_type_hints(kind)
    for field in dataclasses.fields(kind):
        if field.name not in skip:
            yield from _spec((*at, field.name), hints[field.name], field.default, field.metadata)


def _spec(path: Path, kind: Any, default: Any, facts: typing.Mapping[str, Any]) -> Iterator[Spec]:
    if not facts.get("derived"):
        keys = ("doc", "secret", "least", "most", "choices")
        yield Spec(path, kind, default, **{k: facts[k] for k in keys if k in facts})


def pattern(path: Path) -> Path:
    """Return a path with the operator's own names replaced by `*`."""
    if path[:1] == ("tenants",):
        return ("tenants", ANY, *path[2:]) if len(path) > 1 else path
    if path[:2] == ("sources", "stores"):
        return ("sources", "stores", ANY, *path[3:]) if len(path) > 2 else path
    return path


def find(path: Path) -> Spec | None:
    """Return the setting at a path, or None."""
    return specs().get(pattern(path))

"""The whole configuration as one immutable value, and what is known of where each setting came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tintype.admission.settings import AdmissionSettings
from tintype.cache.settings import CacheSettings
from tintype.coordination.settings import CoordinationSettings
from tintype.core.limits import Limits
from tintype.core.settings import setting
from tintype.core.tenant import Tenant
from tintype.dialects.imgproxy.settings import ImgproxySettings
from tintype.engine.settings import EngineSettings, SecuritySettings
from tintype.sources.settings import SourceSettings
from tintype.telemetry.settings import TelemetrySettings
from tintype.web.settings import ServerSettings

PROFILES = ("tintype", "imgproxy")
# What a node takes to close its stores, after its requests and its workers. Seconds.
_CLOSE_S = 5.0


@dataclass(frozen=True, slots=True)
class TenantConfig:
    """A tenant and the settings of its dialect."""

    tenant: Tenant = field(default_factory=Tenant)
    imgproxy: ImgproxySettings = field(default_factory=ImgproxySettings)

    @property
    def name(self) -> str:
        return self.tenant.name


@dataclass(frozen=True, slots=True)
class Config:
    """Every setting of a node. `embedded`: nobody gave the one tenant keys, so that it is signed with keys of its own."""

    data_dir: str = setting("var", "Folder of keys, caches and fetched sources.")
    profile: str = setting(
        "tintype",
        "Which defaults apply: tintype, or imgproxy (chosen by any IMGPROXY_ variable).",
        choices=PROFILES,
    )
    server: ServerSettings = field(default_factory=ServerSettings)
    engine: EngineSettings = field(default_factory=EngineSettings)
    admission: AdmissionSettings = field(default_factory=AdmissionSettings)
    security: SecuritySettings = field(default_factory=SecuritySettings)
    cache: CacheSettings = field(default_factory=CacheSettings)
    coordination: CoordinationSettings = field(default_factory=CoordinationSettings)
    sources: SourceSettings = field(default_factory=SourceSettings)
    telemetry: TelemetrySettings = field(default_factory=TelemetrySettings)
    limits: Limits = field(default_factory=Limits)
    tenants: tuple[TenantConfig, ...] = (TenantConfig(),)
    embedded: bool = False

    @property
    def ends_within_s(self) -> float:
        """Seconds from SIGTERM on after which a node that has not ended is killed: so long it may have ports and folder."""
        return self.server.drain_timeout_s + self.limits.request_timeout_s + _CLOSE_S


@dataclass(frozen=True, slots=True)
class Setting:
    """One effective setting. `origin`: default, profile NAME, FILE:LINE, a variable, or a flag."""

    name: str
    value: Any
    origin: str
    default: Any
    doc: str
    secret: bool = False

    @property
    def changed(self) -> bool:
        return self.origin != "default"


@dataclass(frozen=True, slots=True)
class Request:
    """What a configuration was loaded from, kept so that it can be loaded again."""

    path: str | None = None
    overrides: Mapping[str, str] = field(default_factory=dict, repr=False)
    env: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid configuration, where every value came from, and what an operator should be told at start.

    `paths`: files it was read from, whose change calls for loading again.
    """

    config: Config
    settings: tuple[Setting, ...] = ()
    warnings: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    request: Request = field(default_factory=Request)

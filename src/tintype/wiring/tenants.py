"""Tenants of a configuration: the dialect of each, and where it is mounted."""

from __future__ import annotations

from tintype.config import Config, TenantConfig
from tintype.core.errors import Misconfigured
from tintype.dialects.imgproxy import Imgproxy
from tintype.ports import Dialect
from tintype.web.mounts import Mount, Mounts


def dialect_for(tenant: TenantConfig) -> Dialect:
    """Return a tenant's dialect.

    Raises:
        Misconfigured: its settings are wrong, or there is no such dialect.
    """
    if tenant.tenant.dialect != "imgproxy":
        raise Misconfigured(f"tenants.{tenant.name}.dialect: {tenant.tenant.dialect!r} is not one of: imgproxy")
    return Imgproxy(tenant.imgproxy)


def mounts(config: Config) -> Mounts:
    """Return the mount table of a configuration."""
    return Mounts.of([Mount(tenant.tenant, dialect_for(tenant)) for tenant in config.tenants])

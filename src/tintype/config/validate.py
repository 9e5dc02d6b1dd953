"""Rules that span several settings: what is refused at start, and what an operator is warned of."""

from __future__ import annotations

import base64
import binascii
import email.utils
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path as File

from tintype.config.schema import Path
from tintype.config.values import Config, TenantConfig
from tintype.coordination.settings import SCHEMES
from tintype.core.errors import Misconfigured
from tintype.core.formats import SAVABLE
from tintype.core.quota import QuotaSettings
from tintype.core.tenant import StandIn
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,62}")
_PREFIX = re.compile(r"(/[^/?#\s]+)*")
_KEY_PREFIX = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_SCHEME = re.compile(r"[a-z][a-z0-9+-]{0,30}")


def validate(config: Config) -> None:
    """Check what no single setting can say.

    Raises:
        Misconfigured: the first rule that does not hold.
    """
    for complaint in _complaints(config):
        raise Misconfigured(complaint)


def _complaints(config: Config) -> Iterator[str]:
    yield from _server(config)
    yield from _coordination(config)
    yield from _sources(config)
    yield from _mounts(config)
    for tenant in config.tenants:
        yield from _tenant(tenant)
        yield from _dialect(tenant, embedded=config.embedded)


def _server(config: Config) -> Iterator[str]:
    server = config.server
    if not _is_address(server.host):
        yield (
            f"server.host: {server.host!r} is not an IP address; it takes 127.0.0.1 for this machine alone, "
            "0.0.0.0 or :: for all, or one of its addresses"
        )
    yield from _prefix("server.path_prefix", server.path_prefix)
    yield from _prefix("server.health_path", server.health_path)
    for text in server.trusted_proxies:
        if _network(text) is None:
            yield f"server.trusted_proxies: {text!r} is no address or range such as 10.0.0.0/8 or 2001:db8::/32"
    same_host = server.host == server.metrics_host or server.host in ("0.0.0.0", "::")  # noqa: S104
    if server.metrics_port and server.metrics_port == server.port and same_host:
        yield f"server.metrics_port is {server.port}, as server.port is; metrics need a port of their own"


def _coordination(config: Config) -> Iterator[str]:
    settings = config.coordination
    if settings.valkey_url and settings.valkey_url.partition(":")[0] not in SCHEMES:
        schemes = ", ".join(f"{scheme}://" for scheme in SCHEMES)
        yield f"coordination.valkey_url (not shown, it is a secret) begins with none of {schemes}"
    if not _KEY_PREFIX.fullmatch(settings.prefix):
        yield f"coordination.prefix: {settings.prefix!r} is not allowed; it takes 1 to 64 letters, digits, and _ . : -"


def _sources(config: Config) -> Iterator[str]:
    root = config.sources.local_root
    if root and not File(root).is_dir():
        yield f"sources.local_root: {root} is not a folder"
    for name, _store in config.sources.stores:
        if not _SCHEME.fullmatch(name) or name in ("http", "https", "local", "asset"):
            yield f"sources.stores.{name}: a store's name is the scheme of its URLs, such as s3, gs, abs or archive"


def _mounts(config: Config) -> Iterator[str]:
    seen: dict[tuple[str, str], str] = {}
    for tenant in (t.tenant for t in config.tenants):
        for host in tenant.hosts or ("",):
            other = seen.setdefault((host.lower(), tenant.prefix), tenant.name)
            if other != tenant.name:
                where = f"host {host or 'any'}, prefix {tenant.prefix or '/'}"
                yield f"tenants.{tenant.name} and tenants.{other} are both at {where}; give one of them hosts or a prefix"


def _tenant(config: TenantConfig) -> Iterator[str]:
    tenant = config.tenant
    at = f"tenants.{tenant.name}"
    if not _NAME.fullmatch(tenant.name):
        yield f"{at}: a tenant's name is letters, digits, - and _, at most 63"
    yield from _prefix(f"{at}.prefix", tenant.prefix)
    yield from _keys(at, config.imgproxy)
    yield from _stand_in(f"{at}.watermark", tenant.watermark)
    yield from _stand_in(f"{at}.fallback", tenant.fallback)
    if 0 < tenant.fallback.status < 100:
        yield f"{at}.fallback.status: {tenant.fallback.status} is not allowed; it takes 0 or 100 to 599"
    if not tenant.policy.preferred_formats or not set(tenant.policy.preferred_formats) <= SAVABLE:
        yield f"{at}.policy.preferred_formats takes one or more of {', '.join(sorted(SAVABLE))}"
    buster = tenant.delivery.last_modified_buster
    if buster and email.utils.parsedate_tz(buster) is None:
        yield f"{at}.delivery.last_modified_buster: {buster!r} is not a date such as Wed, 01 Jan 2025 00:00:00 GMT"
    if any(quality < 1 for _, quality in tenant.policy.format_quality):
        yield f"{at}.policy.format_quality takes 1 to 100"


def _keys(at: str, settings: ImgproxySettings) -> Iterator[str]:
    keys, salts, ids = settings.keys, settings.salts, settings.key_ids
    if len(keys) != len(salts):
        yield f"{at}: {len(keys)} keys and {len(salts)} salts; each key needs its salt"
    if ids and len(ids) != len(keys):
        yield f"{at}.key_ids: {len(ids)} names for {len(keys)} keys; give as many or none"
    for name, values in (("keys", keys), ("salts", salts)):
        for number, value in enumerate(values, 1):
            if not _is_hex(value) or not value:
                yield f"{at}.{name}: number {number} is not hexadecimal; `openssl rand -hex 32` makes a good one"
    if settings.source_key and (not _is_hex(settings.source_key) or len(settings.source_key) not in (32, 48, 64)):
        yield f"{at}.source_key is not an AES key: it takes 32, 48 or 64 hexadecimal digits"
    if not settings.arguments_separator or "/" in settings.arguments_separator:
        yield f"{at}.arguments_separator: {settings.arguments_separator!r} cannot separate; it takes text without a slash"
    for name, options in settings.presets:
        if not name or not options:
            yield f"{at}.presets: {name or options!r} needs a name and options, such as thumb = 'rs:fill:64:64'"


def _dialect(config: TenantConfig, *, embedded: bool) -> Iterator[str]:
    """Make the dialect as the server will: presets and patterns are read then. An embedded tenant's keys are yet to come."""
    settings = replace(config.imgproxy, source_key="") if embedded else config.imgproxy
    try:
        Imgproxy(settings)
    except Misconfigured as error:
        yield f"tenants.{config.name}.{error}"


def _stand_in(at: str, image: StandIn) -> Iterator[str]:
    if image.data:
        try:
            base64.b64decode("".join(image.data.split()), validate=True)
        except (binascii.Error, ValueError):
            yield f"{at}.data is not base64"
    elif image.path and not File(image.path).is_file():
        yield f"{at}.path: {image.path} is not a file"


def _prefix(name: str, value: str) -> Iterator[str]:
    if not _PREFIX.fullmatch(value):
        yield f"{name}: {value!r} is not a path prefix; it takes /one/or/more parts without a slash at the end"


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _network(text: str) -> IPv4Network | IPv6Network | None:
    try:
        return ip_network(text)
    except ValueError:
        return None


def _is_hex(text: str) -> bool:
    try:
        bytes.fromhex(text)
    except ValueError:
        return False
    return text.isascii() and not any(c.isspace() for c in text)


def warnings(config: Config, origins: Mapping[Path, str]) -> Iterator[str]:
    """Yield what works but an operator should know."""
    if config.sources.allow_private and origins.get(("sources", "allow_private"), "").startswith("profile"):
        yield (
            "sources on private networks may be fetched, as with imgproxy: anyone who can have URLs rendered can read "
            "images inside this network; set IMGPROXY_ALLOW_PRIVATE_SOURCE_ADDRESSES=false to refuse them"
        )
    if not config.sources.verify_tls:
        yield "certificates of origins are not checked (sources.verify_tls): anyone on the way can replace images"
    if config.coordination.valkey_url and not config.cache.object_url:
        yield (
            "nodes share a Valkey (coordination.valkey_url) but no results: each makes every result itself; "
            "set cache.object_url to a store that they share"
        )
    if config.sources.local_root and File(config.sources.local_root).resolve() == File("/"):
        yield "sources.local_root is /: every file of this machine that is an image can be read"
    if any(network and not network.prefixlen for network in map(_network, config.server.trusted_proxies)):
        yield "server.trusted_proxies has every address: whoever asks can say that he is somebody else"
    for tenant in config.tenants:
        yield from _tenant_warnings(config, tenant)


def _tenant_warnings(config: Config, tenant: TenantConfig) -> Iterator[str]:
    signed = tenant.imgproxy.keys or config.embedded
    if not signed:
        yield f"tenant {tenant.name} has no keys: any URL is rendered, whoever made it; give it keys and salts"
    if not signed and tenant.imgproxy.allow_security_options:
        yield f"tenant {tenant.name} lets unsigned URLs set their own bounds (allow_security_options)"
    if _limits(tenant.tenant.client_quota) and not config.server.trusted_proxies:
        yield f"tenant {tenant.name} has a client_quota that binds nobody: only server.trusted_proxies tell clients apart"
    if _limits(tenant.tenant.key_quota) and not signed:
        yield f"tenant {tenant.name} has a key_quota that binds nobody: it has no keys"


def _limits(quota: QuotaSettings) -> bool:
    return bool(quota.ms_per_s or quota.ms_per_day)

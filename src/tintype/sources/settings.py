"""Settings of sources: where images may come from, and how they are fetched."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """One object store. Empty credentials are looked for where the provider's tools look for them."""

    kind: str = setting("s3", "s3, gs or abs.", choices=("s3", "gs", "abs"))
    endpoint: str = setting("", "Endpoint URL; empty = the provider's own.")
    region: str = setting("", "Region; empty = us-east-1.")
    path_style: bool = setting(True, "Address buckets in the path instead of the host name.")
    access_key: str = setting("", "Access key id, or the account name for abs.")
    secret_key: str = setting("", "Secret key, account key, or service account JSON for gs.", secret=True)
    allowed_buckets: tuple[str, ...] = setting((), "Buckets that may be read; empty = all.")
    denied_buckets: tuple[str, ...] = setting((), "Buckets that may not be read, whatever the list above says.")


@dataclass(frozen=True, slots=True)
class SourceSettings:
    """Fetching, and the disk store of fetched sources."""

    local_root: str = setting("", "Folder that local:///path reads from; empty = local sources are off.")
    allow_loopback: bool = setting(False, "Let http sources be on loopback addresses.")
    allow_link_local: bool = setting(False, "Let http sources be on link-local addresses (cloud metadata lives there).")
    allow_private: bool = setting(False, "Let http sources be on private addresses.")
    user_agent: str = setting("tintype", "User-Agent of fetches.")
    keep_alive_s: float = setting(90.0, "How long an idle connection to an origin is kept; 0 = not at all.")
    verify_tls: bool = setting(True, "Check the certificates of origins.")
    store_bytes: int = setting(5_000_000_000, "Bytes of fetched sources kept on disk.", least=1_000_000)
    bindings: int = setting(
        1_000_000, "Source URLs remembered, with what their origins said; some 0.5 KB each.", least=1
    )
    default_fresh_s: float = setting(
        0.0, "How long a source without Cache-Control counts as fresh; 0 = asked again at every miss."
    )
    query_separator: str = setting("?", "What separates the key of an object from its version.")
    stores: tuple[tuple[str, StoreSettings], ...] = setting(
        (), "Object stores by scheme or name: s3, gs, abs, or your own."
    )

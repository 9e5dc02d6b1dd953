"""Settings of the result cache."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """RAM, then disk, then (if set) an object store shared by nodes."""

    ram_bytes: int = setting(256_000_000, "Bytes of results kept in memory; 0 = none.")
    disk_bytes: int = setting(10_000_000_000, "Bytes of results kept on disk; 0 = none.")
    object_url: str = setting("", "An object store shared by nodes, s3://bucket/prefix and the like; empty = none.")
    assume_fresh_s: float = setting(
        60.0, "How long cached results are served when an origin says nothing of freshness; a miss always asks."
    )
    stale_while_revalidate_s: float = setting(
        60.0, "How long a stale source is still served while it is asked for again."
    )
    stale_if_error_s: float = setting(86_400.0, "How long a stale source is still served while its origin fails.")
    missing_s: float = setting(10.0, "How long it is remembered that an origin said no (4xx but 408 and 429).")
    error_s: float = setting(1.0, "How long another error is remembered, at most 1 second.", most=1)
    renewals_per_s: float = setting(5.0, "Entries of an old render epoch renewed a second.")
    promotions_per_s: float = setting(
        20.0,
        "Results written a second in AVIF or JPEG XL behind answers in a quick format; what is more waits for a request.",
    )

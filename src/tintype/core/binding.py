"""What a source URL means right now: which bytes, found when, fresh until when. Freshness lives here and nowhere else."""

from __future__ import annotations

from functools import lru_cache

from tintype.core.info import ImageInfo
from tintype.core.values import Value, fingerprint


class Binding(Value, frozen=True):
    """(tenant, canonical URL, buster, forwarded headers) -> the bytes it named when last asked. Times are Unix seconds.

    Attributes:
        digest: SHA-256 (hex) of the bytes. size: their length.
        etag, last_modified: the origin's validators, "" = none.
        cache_control, expires: as the origin sent them, for passing through.
        fetched_at: when the origin last confirmed the bytes. fresh_until: until when nobody needs to ask again.
        stale_until: until when they may still be served while asking (stale-while-revalidate).
        error_until: until when they may be served because asking failed (stale-if-error).
        private: belongs to one client (its cookie, its token, or the origin's word): never shared, never stored.
        content_type: as the origin said, for raw answers.
        info: header facts, once probed.
        ahead_s: how long before it ends it is asked for again behind an answer, if anybody wants it then.
    """

    tenant: str
    url: str
    digest: str
    size: int
    buster: str = ""
    forwarded: str = ""
    etag: str = ""
    last_modified: str = ""
    cache_control: str = ""
    expires: str = ""
    content_type: str = ""
    fetched_at: float = 0.0
    fresh_until: float = 0.0
    stale_until: float = 0.0
    error_until: float = 0.0
    private: bool = False
    info: ImageInfo | None = None
    ahead_s: float = 0.0

    @property
    def key(self) -> str:
        return binding_key(self.tenant, self.url, self.buster, self.forwarded)


@lru_cache(256)  # a miss asks for that of its source ten times
def binding_key(tenant: str, url: str, buster: str = "", forwarded: str = "") -> str:
    """Return the key of a binding; `forwarded` is a hash of the headers and cookies passed on to the origin, or ""."""
    return fingerprint(b"binding", tenant.encode(), url.encode(), buster.encode(), forwarded.encode())

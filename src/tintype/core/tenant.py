"""A tenant: whose keys, presets, sources and bounds a request falls under. One snapshot, swapped whole."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.degrade import Degraded
from tintype.core.policy import Policy
from tintype.core.quota import QuotaSettings
from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class DeliverySettings:
    """How a tenant's answers are delivered."""

    ttl_s: int = setting(31_536_000, "max-age of answers, in seconds; 0 = no-cache.")
    edge_ttl_s: int = setting(
        0, "How long an nginx in front answers by itself before it asks again (X-Accel-Expires); 0 = it is not told."
    )
    origin_cache_control: bool = setting(False, "Take Cache-Control and Expires from the origin when it sends them.")
    canonical_header: bool = setting(False, "Add Link: <source>; rel=canonical.")
    etag: bool = setting(True, "Send ETag and answer If-None-Match.")
    etag_buster: str = setting("", "Part of every ETag: change it to void what browsers and CDNs hold.")
    last_modified: bool = setting(True, "Pass the origin's Last-Modified on, and answer If-Modified-Since.")
    last_modified_buster: str = setting(
        "", "An HTTP date: earlier Last-Modified values are raised to it; empty = none."
    )
    attachment: bool = setting(False, "Content-Disposition: attachment unless the URL says otherwise.")
    allow_origin: str = setting("", "Access-Control-Allow-Origin of every answer; empty = none.")
    secret: str = setting("", "Bearer token that every image request must carry; empty = none.", secret=True)
    cookie_passthrough: bool = setting(False, "Pass cookies on to http origins of the cookie's own host.")
    cookie_base_url: str = setting("", "URL whose host cookies are taken to belong to; empty = the request's Host.")
    cookie_passthrough_all: bool = setting(False, "Pass all cookies on to every http origin.")
    promote: bool = setting(
        True,
        "Answer at once in a quick format where the client would get AVIF or JPEG XL, which is made behind the answer.",
    )
    forward_headers: tuple[str, ...] = setting((), "Request headers passed on to http origins.")


@dataclass(frozen=True, slots=True)
class StandIn:
    """An image given by configuration: a watermark or a fallback. The first of data, path and url that is set counts."""

    data: str = setting("", "The image, base64.")
    path: str = setting("", "A file.")
    url: str = setting("", "A source URL.")
    status: int = setting(200, "Fallback: status of the answer; 0 = the error's own.", most=599)
    ttl_s: int = setting(0, "Fallback: max-age in seconds; 0 = the tenant's.")

    def __bool__(self) -> bool:
        return bool(self.data or self.path or self.url)


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant's snapshot. `hosts` and `prefix` mount it; an empty one matches everything. `dialect` names a grammar."""

    name: str = "default"
    hosts: tuple[str, ...] = setting((), "Host names that are this tenant's; empty = every host.")
    prefix: str = setting("", "Path prefix that is this tenant's, /acme for one; empty = every path.")
    weight: float = setting(
        1.0, "Its share of the node while several tenants want more than there is, against theirs.", least=0.01
    )
    dialect: str = setting("imgproxy", "The grammar of its URLs.", choices=("imgproxy",))
    degrade: tuple[str, ...] = setting(
        (Degraded.STALE.value, Degraded.FORMAT.value, Degraded.EFFORT.value),
        "What its answers may be less in before they are refused; empty = nothing, so that they are refused at once.",
        choices=tuple(one.value for one in Degraded),
    )
    policy: Policy = Policy()  # noqa: RUF009 - frozen, shared on purpose
    source_bytes: int = setting(0, "Largest source body of this tenant, in bytes; 0 = the node's limit.")
    delivery: DeliverySettings = DeliverySettings()
    quota: QuotaSettings = QuotaSettings()  # noqa: RUF009 - frozen, shared on purpose
    key_quota: QuotaSettings = QuotaSettings()  # noqa: RUF009 - of each of its keys
    client_quota: QuotaSettings = QuotaSettings()  # noqa: RUF009 - of each of its clients
    watermark: StandIn = StandIn()
    fallback: StandIn = StandIn()

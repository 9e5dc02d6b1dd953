"""Mounts: which tenant and dialect a request belongs to, by host and path prefix. One immutable snapshot at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tintype.core.offer import Offer, offer_of
from tintype.core.tenant import Tenant
from tintype.ports import Dialect


@dataclass(frozen=True, slots=True)
class Mount:
    """A tenant where it is served."""

    tenant: Tenant
    dialect: Dialect
    vary: str = field(init=False)

    def __post_init__(self) -> None:
        policy = self.tenant.policy
        parts = ["Accept"] if policy.auto_formats or policy.enforce_formats else []
        parts += ["Sec-CH-DPR", "DPR", "Sec-CH-Width", "Width"] if policy.client_hints else []
        # What the origin is shown, its answer may depend on.
        parts += [name for name in self.tenant.delivery.forward_headers if name.lower() not in map(str.lower, parts)]
        object.__setattr__(self, "vary", ", ".join(parts))

    def offer(self, headers: dict[bytes, bytes]) -> Offer:
        """Return what of the client's offer can matter to this tenant: little of it, so that few variants exist."""
        if not self.vary:
            return Offer()
        policy = self.tenant.policy
        offer = offer_of(
            headers.get(b"accept", b"").decode("latin-1"),
            dpr=_first(headers, b"sec-ch-dpr", b"dpr") if policy.client_hints else "",
            width=_first(headers, b"sec-ch-width", b"width") if policy.client_hints else "",
        )
        wanted = (*policy.auto_formats, *policy.enforce_formats)
        return Offer(accepts=tuple(f for f in offer.accepts if f in wanted), dpr=offer.dpr, width=offer.width)

    def shown(self, target: str, rest: str) -> str:
        """Return a target for the log; `rest` is its path within this mount."""
        path, mark, query = target.partition("?")
        return path.removesuffix(rest) + self.dialect.shown(rest + mark + query)


def _first(headers: dict[bytes, bytes], *names: bytes) -> str:
    return next((headers[name].decode("latin-1") for name in names if name in headers), "")


# Accept headers and hints seen lately; browsers send a few dozen different ones, and only who plays sends more.
_OFFERS = 4096
_HINTS = (b"sec-ch-dpr", b"dpr", b"sec-ch-width", b"width")


@dataclass(frozen=True, slots=True)
class Mounts:
    """All mounts, the most specific first: longer prefixes before shorter, named hosts before any host.

    `by_host`, `by_cookie`: whether the answer to anything here depends on them. `offers`: headers that make an offer.
    """

    mounts: tuple[Mount, ...]
    by_host: bool = field(init=False)
    by_cookie: bool = field(init=False)
    offers: tuple[bytes, ...] = field(init=False)
    _at: dict[tuple[str, str], Mount] = field(init=False, default_factory=dict)  # by host ("": any) and prefix
    _depths: tuple[int, ...] = field(init=False)  # parts of prefixes, the most first
    _seen: dict[tuple[bytes | None, ...], str] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        tenants = [mount.tenant for mount in self.mounts]
        policies, deliveries = [t.policy for t in tenants], [t.delivery for t in tenants]
        hints = any(p.client_hints for p in policies)
        accept = hints or any(p.auto_formats or p.enforce_formats for p in policies)
        set_ = object.__setattr__
        set_(self, "by_host", any(t.hosts for t in tenants))
        set_(self, "by_cookie", any(d.cookie_passthrough or d.cookie_passthrough_all for d in deliveries))
        set_(self, "offers", (b"accept",) * accept + _HINTS * hints)
        set_(self, "_depths", tuple(sorted({t.prefix.count("/") for t in tenants}, reverse=True)))
        for mount in self.mounts:
            for host in mount.tenant.hosts or ("",):
                self._at.setdefault((host.lower(), mount.tenant.prefix), mount)

    def question(self, path: bytes, query: bytes, headers: Mapping[bytes, bytes]) -> tuple[object, ...]:
        """Return all that the answer to a GET depends on, as it came, but for cookies, forwarded headers and secrets."""
        host = headers.get(b"host") if self.by_host else None
        return (path, query, host, self._offer(headers) if self.offers else None)

    def _offer(self, headers: Mapping[bytes, bytes]) -> str:
        given = tuple([headers.get(name) for name in self.offers])
        known = self._seen.get(given)
        if known is None:
            hints = {name: headers[name] for name in self.offers if name in headers}
            offer = offer_of(
                hints.get(b"accept", b"").decode("latin-1"),
                dpr=_first(hints, *_HINTS[:2]),
                width=_first(hints, *_HINTS[2:]),
            )
            known = f"{','.join(offer.accepts)} {offer.dpr} {offer.width}"
            if len(self._seen) >= _OFFERS:
                self._seen.clear()
            self._seen[given] = known
        return known

    @classmethod
    def of(cls, mounts: list[Mount]) -> Mounts:
        """Order mounts by how specific they are."""
        return cls(tuple(sorted(mounts, key=lambda m: (-len(m.tenant.prefix), not m.tenant.hosts, m.tenant.name))))

    def find(self, host: str, path: str) -> tuple[Mount, str] | None:
        """Return the mount and the rest of the path (with its leading slash), or None."""
        if self.by_host:
            host = host.rsplit(":", 1)[0].lower() if not host.endswith("]") else host.lower()
        for depth in self._depths:
            prefix = "/".join(path.split("/", depth + 1)[: depth + 1]) if depth else ""
            mount = (self.by_host and self._at.get((host, prefix))) or self._at.get(("", prefix))
            if mount:
                return mount, path[len(prefix) :] or "/"
        return None


@dataclass(slots=True)
class Site:
    """What a reload swaps: the mounts. One attribute assignment, so a request sees the old or the new, never both."""

    mounts: Mounts

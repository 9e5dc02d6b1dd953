"""When a worker has served long enough, and which worker may serve whom. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.limits import Limits
from tintype.engine.settings import Isolation


@dataclass(frozen=True, slots=True)
class Service:
    """What a worker has done so far."""

    images: int = 0
    rss_bytes: int = 0
    tenant: str | None = None  # whom it served last

    @property
    def fresh(self) -> bool:
        """Whether it has seen no byte of anybody's."""
        return self.tenant is None


@dataclass(frozen=True, slots=True)
class Turnover:
    """The rules, from the settings."""

    isolation: Isolation
    images: int
    rss_bytes: int

    @classmethod
    def of(cls, isolation: Isolation, limits: Limits) -> Turnover:
        return cls(isolation, max(1, limits.worker_images), limits.worker_rss_bytes)

    @property
    def forks(self) -> bool:
        """Whether workers change so often that they are forked, and kept in stock, instead of started."""
        return self.isolation is not Isolation.NODE

    def spent(self, service: Service) -> bool:
        """Whether a worker is due for replacement."""
        if self.isolation is Isolation.IMAGE:
            return not service.fresh
        return service.images >= self.images or service.rss_bytes >= self.rss_bytes

    def reason(self, service: Service) -> str:
        """Return why a worker that did not die was replaced."""
        if service.rss_bytes >= self.rss_bytes:
            return "memory"
        return "tenant" if self.isolation is Isolation.TENANT and service.images < self.images else "images"

    def may_serve(self, service: Service, tenant: str) -> bool:
        """Whether a worker may take a request of this tenant. On a node basis a spent one may, until its successor is ready."""
        match self.isolation:
            case Isolation.NODE:
                return True
            case Isolation.TENANT:
                return service.tenant in (None, tenant) and not self.spent(service)
            case Isolation.IMAGE:
                return service.fresh

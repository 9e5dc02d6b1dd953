"""When a worker has served long enough, and which worker may serve whom. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import msgspec

from tintype.core.limits import Limits
from tintype.engine.settings import Isolation

# Whose image, and which: tenant and digest of the source.
Owner: TypeAlias = tuple[str, str]


class Service(msgspec.Struct, frozen=True):
    """What a worker has done so far."""

    images: int = 0
    rss_bytes: int = 0
    owner: Owner | None = None  # of what it served last

    @property
    def fresh(self) -> bool:
        """Whether it has seen no byte of anybody's."""
        return self.owner is None

    @property
    def tenant(self) -> str | None:
        return self.owner[0] if self.owner else None


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
        """Whether a worker is due for replacement. One that has read an image's header may yet render it."""
        if self.isolation is Isolation.IMAGE:
            return service.images > 0
        return service.images >= self.images or service.rss_bytes >= self.rss_bytes

    def reason(self, service: Service) -> str:
        """Return why a worker that did not die was replaced."""
        if service.rss_bytes >= self.rss_bytes:
            return "memory"
        return "tenant" if self.isolation is Isolation.TENANT and service.images < self.images else "images"

    @property
    def stock(self) -> int:
        """How many forked workers may live for each one that may be busy: one fresh, and those kept for whom they have served."""
        return 3 if self.isolation is Isolation.IMAGE else 2

    def may_serve(self, service: Service, owner: Owner) -> bool:
        """Whether a worker may take this owner's request. On a node basis a spent one may, until its successor is ready."""
        match self.isolation:
            case Isolation.NODE:
                return True
            case Isolation.TENANT:
                return service.tenant in (None, owner[0]) and not self.spent(service)
            case Isolation.IMAGE:
                return service.owner in (None, owner) and not self.spent(service)

    @property
    def keeps(self) -> bool:
        """Whether any worker is ever kept."""
        return self.isolation is Isolation.IMAGE

    def kept(self, service: Service) -> bool:
        """Whether a worker is kept for the next request of whom it served, and will serve nobody else."""
        return self.keeps and not service.fresh and not self.spent(service)

"""Crowds: whether a tenant wants more than there is, and since when. A page full of images is one for a moment."""

from __future__ import annotations

from tintype.admission.remembered import remember


class Crowds:
    """Tenants' crowds. One is over when for `calm_s` nobody would have waited too long."""

    def __init__(self, calm_s: float) -> None:
        self._calm_s = calm_s
        self._seen: dict[str, tuple[float, float]] = {}  # since when, and when last; who came last is last

    def lasts_s(self, tenant: str, now: float) -> float:
        """Note that somebody would wait too long; return how long that has been so."""
        since, last = self._seen.get(tenant, (now, now))
        since = since if now - last <= self._calm_s else now
        remember(self._seen, tenant, (since, now))
        return now - since

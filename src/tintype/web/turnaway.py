"""Turned away: in the server's own thread, what the gate refuses while there is much under way: a flood costs next to nothing.

Of a flood, most is refused unread. Of what is read, nobody is turned away who may be served without that for which others were
refused: a fetch, or where the source is known a worker. What is let through is charged until it comes to the gate by itself. Who
wants what is under way already is let through as well. When the event loop itself is late, what would have to wait for it is
turned away, of those who have much there already; when it is very late, whoever asks. What is not plain takes the usual way, and
is judged there.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from functools import lru_cache
from math import ceil
from typing import Any

from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.admission.unread import Unread
from tintype.core.asked import Asked
from tintype.core.degrade import Degraded
from tintype.core.errors import Shed, TintypeError
from tintype.core.limits import Limits
from tintype.core.tenant import Tenant
from tintype.ports import Acquainted, Clock, Finder
from tintype.services.make import pipeline_tag
from tintype.web.forward import forwarded
from tintype.web.mounts import Mount, Site
from tintype.web.own import OwnPaths
from tintype.web.proxies import Proxies, Said
from tintype.web.pulse import Pulse, target_of
from tintype.web.refuser import Refuser
from tintype.web.reply import Messages, peer_of, raw_path, within
from tintype.web.settings import ServerSettings

# Who sends it may have what he asks for: that costs no worker.
_CONDITION = b"if-none-match"
# When the event loop is so late, who has asked for little else is turned away too. Seconds.
_LATE_FOR_ALL_S = 0.5


class TurnAway:
    """Refuses what it can; called by one thread at a time, as its counts have one writer."""

    def __init__(
        self,
        site: Site,
        gate: Gate,
        sources: Acquainted,
        finder: Finder,
        clock: Clock,
        refuse: Refuser,
        limits: Limits,
        proxies: Proxies,
        pulse: Pulse,
        settings: ServerSettings,
    ) -> None:
        self._pulse = pulse
        self._site, self._gate, self._limits = site, gate, limits
        self._unread = Unread(gate)
        self._sources, self._finder = sources, finder
        self._proxies, self._prefix, self._own = proxies, settings.path_prefix.rstrip("/"), OwnPaths(settings)
        self._now = clock.now
        self._refuse = refuse

    def __call__(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], request_id: bytes, began: float
    ) -> Messages | None:
        """Return the two messages that refuse a request, counted and logged, or None."""
        late_s = self._pulse.late_s(began)
        if not late_s and (self._pulse.wanted(target_of(scope)) or (self._pulse.few and not self._gate.shut(began))):
            return None
        found = self._mounted(scope, headers)
        if found is None:
            return None
        mount, path, rest = found
        said = self._proxies.said(peer_of(scope), headers)
        shed = self._refused_unread(mount.tenant.name, said, headers, late_s, began)
        if shed is None:
            shed = self._read(mount, _with_query(rest, scope), scope, headers, said, began)
        return None if shed is None else self._refuse(shed, mount, path, scope["method"], request_id, began)

    def _mounted(self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes]) -> tuple[Mount, str, str] | None:
        """Return where a request for an image belongs, its path, and the rest of that within the mount."""
        path = within(raw_path(scope), self._prefix)
        if not path or len(path) + len(scope["query_string"]) > self._limits.url_bytes or path in self._own:
            return None
        found = self._site.mounts.find(headers.get(b"host", b"").decode("latin-1"), path)
        return None if found is None or found[0].tenant.delivery.secret else (found[0], path, found[1])

    def _refused_unread(
        self, tenant: str, said: Said, headers: dict[bytes, bytes], late_s: float, began: float
    ) -> Shed | None:
        if late_s and (late_s > _LATE_FOR_ALL_S or self._gate.has_many(Asker(tenant, said.client))):
            return _late(ceil(late_s * 10))
        return None if _CONDITION in headers else self._unread.refused(tenant, said.client, said.lane, began)

    def _read(
        self,
        mount: Mount,
        target: str,
        scope: MutableMapping[str, Any],
        headers: dict[bytes, bytes],
        said: Said,
        began: float,
    ) -> Shed | None:
        """Return what is to be refused by what it asks for; what is wrong in itself is told so by the usual way."""
        try:
            asked = mount.dialect.parse(target, self._now())
        except TintypeError:
            return None
        asker = self._asker(mount.tenant, asked, said, began)
        shed = self._shed(mount.tenant, asked, asker, scope, headers, began)
        if _CONDITION not in headers:
            self._unread.read(asker, shed, began)
        return shed

    def _shed(
        self,
        tenant: Tenant,
        asked: Asked,
        asker: Asker,
        scope: MutableMapping[str, Any],
        headers: dict[bytes, bytes],
        began: float,
    ) -> Shed | None:
        source = asked.pipeline.source
        passed_on = forwarded(tenant.delivery, headers, source.url)
        if passed_on.private:
            return None
        known = self._sources.may_know(tenant.name, source, passed_on)
        if known and (_CONDITION in headers or self._may_have(tenant, asked)):
            return None
        shed = self._gate.hand_on(asker, source.host, began, fetched=known)
        if shed is None:
            self._pulse.charged(target_of(scope), asker)
        return shed

    def _asker(self, tenant: Tenant, asked: Asked, said: Said, began: float) -> Asker:
        deadline, firm = said.deadline(began, self._limits.request_timeout_s)
        return Asker(tenant.name, said.client, said.lane, tenant.weight, deadline, firm, pipeline=asked.pipeline)

    def _may_have(self, tenant: Tenant, asked: Asked) -> bool:
        """Tell whether a source that is known may do without a worker: unprocessed, or by what URLs were answered with."""
        untouched = asked.delivery.raw or asked.pipeline.output.passthrough or tenant.policy.passthrough
        return bool(untouched) or Degraded.LARGER in tenant.degrade or self._finder.may_find(pipeline_tag(asked))


def _with_query(rest: str, scope: MutableMapping[str, Any]) -> str:
    query = scope["query_string"]
    return f"{rest}?{query.decode('latin-1')}" if query else rest


@lru_cache(100)  # one for all who are told the same
def _late(tenths: int) -> Shed:
    return Shed(f"the node is {tenths / 10} s late with everything", retry_after_s=1.0, reason="front")

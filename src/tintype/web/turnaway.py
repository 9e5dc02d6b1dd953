"""Turned away: in the server's own thread, what the gate refuses while it has just refused others: a flood costs next to nothing.

Nobody is turned away who may be served without a fetch: only sources that are certainly not known here. When the event loop
itself is too late, whatever would have to wait for it is. What is not plain takes the usual way, and is judged there.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from typing import Any, TypeAlias

from tintype.admission.asker import Asker
from tintype.admission.gate import Gate
from tintype.core.asked import Asked
from tintype.core.errors import Shed, TintypeError
from tintype.core.limits import Limits
from tintype.core.tenant import Tenant
from tintype.ports import Acquainted, Clock, Prepared
from tintype.web.forward import forwarded
from tintype.web.memo import Headers
from tintype.web.mounts import Mount, Site
from tintype.web.proxies import Proxies, Said
from tintype.web.pulse import Pulse
from tintype.web.reply import Messages, common, of_error, of_text, peer_of, raw_path, within

Count: TypeAlias = Callable[[float], None]


class TurnAway:
    """Refuses what it can; called by one thread at a time, as its counts have one writer. `prefix`: the server's."""

    def __init__(
        self,
        site: Site,
        gate: Gate,
        sources: Acquainted,
        clock: Clock,
        telemetry: Prepared,
        limits: Limits,
        proxies: Proxies,
        pulse: Pulse,
        *,
        prefix: str = "",
    ) -> None:
        self._pulse = pulse
        self._site, self._gate, self._sources, self._limits = site, gate, sources, limits
        self._proxies, self._prefix = proxies, prefix.rstrip("/")
        self._now, self._monotonic = clock.now, clock.monotonic
        self._telemetry = telemetry
        self._counters: dict[tuple[str, str], tuple[Count, Count, Count]] = {}

    def __call__(
        self, scope: MutableMapping[str, Any], headers: dict[bytes, bytes], request_id: bytes, began: float
    ) -> Messages | None:
        """Return the two messages that refuse a request, counted and logged, or None."""
        late_s = self._pulse.late_s(began)
        if not late_s and not self._gate.shut(began):
            return None
        path = within(raw_path(scope), self._prefix)
        found = path and self._site.mounts.find(headers.get(b"host", b"").decode("latin-1"), path)
        if not path or not found or len(path) + len(scope["query_string"]) > self._limits.url_bytes:
            return None
        mount, rest = found
        if mount.tenant.delivery.secret:
            return None
        target = rest + (f"?{scope['query_string'].decode('latin-1')}" if scope["query_string"] else "")
        try:
            asked = mount.dialect.parse(target, self._now())
        except TintypeError:
            return None
        shed: Shed | None
        if late_s:
            shed = _late(late_s)
        elif self._may_be_known(mount, asked, headers):
            return None
        else:
            shed = self._refusal(mount.tenant, asked, self._proxies.said(peer_of(scope), headers), began)
        return self._told(scope["method"], mount, mount.shown(path, rest), shed, request_id, began) if shed else None

    def _refusal(self, tenant: Tenant, asked: Asked, said: Said, began: float) -> Shed | None:
        """Ask the gate, which weighs few of a crowd."""
        deadline, firm = said.deadline(began, self._limits.request_timeout_s)
        asker = Asker(tenant.name, said.client, said.lane, tenant.weight, deadline, firm, pipeline=asked.pipeline)
        return self._gate.refused(asker, began) or self._gate.refusal(asker, asked.pipeline.source.host, began)

    def _may_be_known(self, mount: Mount, asked: Asked, headers: dict[bytes, bytes]) -> bool:
        source, tenant = asked.pipeline.source, mount.tenant
        passed_on = forwarded(tenant.delivery, headers, source.url)
        return passed_on.private or self._sources.may_know(tenant.name, source, passed_on)

    def _told(self, method: str, mount: Mount, shown: str, shed: Shed, request_id: bytes, began: float) -> Messages:
        status, text = mount.dialect.refusal(shed)
        body, tenant = text.encode(), mount.tenant
        headers: Headers = [
            (b"x-request-id", request_id),
            *of_text(body),
            *of_error(shed, request_id),
            *common(tenant),
            (b"server-timing", b"cache;desc=" + shed.code.encode()),
        ]
        requests, sheds, timed = self._counted(tenant.name, f"{status // 100}xx", shed)
        requests(1)
        sheds(1)
        seconds = self._monotonic() - began
        timed(seconds)
        facts = {"method": method, "path": shown, "status": status, "tenant": tenant.name, "outcome": shed.code}
        self._telemetry.line("request", **facts, bytes=len(body), error=shed.code, message=str(shed))(
            request_id.decode(), seconds * 1000
        )
        start = {"type": "http.response.start", "status": status, "headers": headers}
        return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else body}

    def _counted(self, tenant: str, status: str, shed: Shed) -> tuple[Count, Count, Count]:
        counters = self._counters.get((tenant, shed.reason))
        if counters is None:
            counters = self._counters[tenant, shed.reason] = (
                self._telemetry.counter("requests", tenant=tenant, status=status, outcome=shed.code),
                self._telemetry.counter("sheds", reason=shed.reason),
                self._telemetry.timer("request_seconds", tenant=tenant, kind="other"),
            )
        return counters


def _late(seconds: float) -> Shed:
    return Shed(f"the node is {seconds:.2f} s late with everything", retry_after_s=1.0, reason="front")

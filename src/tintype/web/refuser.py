"""What who is turned away is told, and how that is counted and logged: prepared once for all who are refused alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from tintype.core.errors import Shed
from tintype.ports import Clock, Prepared, Telemetry
from tintype.web.heads import again_after, common, of_text, what_it_is
from tintype.web.memo import Headers
from tintype.web.mounts import Mount
from tintype.web.reply import Messages

Count: TypeAlias = Callable[[float], None]

# Of those refused alike, so many in a second have a line of their own in the log; the others are told as a number.
_LINES, _SECOND_S = 10, 1.0


@dataclass(slots=True)
class _Kind:
    """Those of a tenant that are refused for one reason. `others`: how many had no line; `told`: of how many the log tells."""

    requests: Count
    sheds: Count
    seconds: Count
    since: float = 0.0
    lines: int = 0
    others: int = 0
    told: int = 0

    def has_line(self, now: float) -> bool:
        """Count one; returns whether it has a line of its own."""
        if now - self.since >= _SECOND_S:
            self.since, self.lines = now, 0
        if self.lines < _LINES:
            self.lines += 1
            return True
        self.others += 1
        return False


@dataclass(frozen=True, slots=True)
class _Ready:
    """What all who are refused for one reason are told alike."""

    mount: Mount
    status: int
    body: bytes
    headers: Headers
    kind: _Kind


class Refuser:
    """Refuses; called by one thread at a time, as its counts have one writer. `tell` is for one other."""

    def __init__(self, clock: Clock, telemetry: Prepared) -> None:
        self._monotonic, self._telemetry = clock.monotonic, telemetry
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._ready: dict[tuple[str, str], _Ready] = {}

    def __call__(
        self, shed: Shed, mount: Mount, shown: Callable[[], str], method: str, request_id: bytes, began: float
    ) -> Messages:
        """Return the two messages that refuse a request, counted and logged as `shown`, or among others."""
        key = mount.tenant.name, shed.reason
        ready = self._ready.get(key)
        if ready is None or ready.mount is not mount:
            ready = self._ready[key] = self._prepared(shed, mount, key)
        kind, now = ready.kind, self._monotonic()
        kind.requests(1)
        kind.sheds(1)
        kind.seconds(now - began)
        if kind.has_line(now):
            self._log(ready, shed, shown(), method, request_id, (now - began) * 1000)
        again = again_after(shed.retry_after_s, request_id)
        headers = [(b"x-request-id", request_id), again, what_it_is(shed), *ready.headers]
        start = {"type": "http.response.start", "status": ready.status, "headers": headers}
        return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else ready.body}

    def tell(self, telemetry: Telemetry) -> None:
        """Log how many were refused that had no line of their own; once a second is enough."""
        for (tenant, reason), kind in list(self._kinds.items()):
            others = kind.others
            if others > kind.told:
                telemetry.event("requests_refused", tenant=tenant, reason=reason, requests=others - kind.told)
                kind.told = others

    def _prepared(self, shed: Shed, mount: Mount, key: tuple[str, str]) -> _Ready:
        status, text = mount.dialect.refusal(shed)
        body = text.encode()
        headers: Headers = [
            *of_text(body),
            *common(mount.tenant),
            (b"server-timing", b"cache;desc=" + shed.code.encode()),
        ]
        kind = self._kinds.get(key)
        if kind is None:
            kind = self._kinds[key] = self._kind(mount.tenant.name, f"{status // 100}xx", shed)
        return _Ready(mount, status, body, headers, kind)

    def _kind(self, tenant: str, status: str, shed: Shed) -> _Kind:
        return _Kind(
            self._telemetry.counter("requests", tenant=tenant, status=status, outcome=shed.code),
            self._telemetry.counter("sheds", reason=shed.reason),
            self._telemetry.timer("request_seconds", tenant=tenant, kind="other"),
        )

    def _log(self, ready: _Ready, shed: Shed, shown: str, method: str, request_id: bytes, ms: float) -> None:
        code = shed.code
        facts = {"method": method, "path": shown, "status": ready.status, "tenant": ready.mount.tenant.name}
        told = {**facts, "outcome": code, "bytes": len(ready.body), "error": code, "message": str(shed)}
        self._telemetry.line("request", **told)(request_id.decode(), ms)

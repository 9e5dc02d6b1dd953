"""What who is turned away is told, and how that is counted and logged: prepared once for all who are refused alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias
from zlib import crc32

from tintype.core.errors import Shed
from tintype.ports import Clock, Prepared, Telemetry
from tintype.web.heads import again_after, again_in, common, of_text, what_it_is
from tintype.web.memo import Headers
from tintype.web.mounts import Mount
from tintype.web.reply import Messages

Count: TypeAlias = Callable[[float], None]

# Of those refused alike, so many in a second have a line of their own in the log; the others are told as a number.
_LINES, _SECOND_S = 10, 1.0
_READY = 256  # answers that are prepared


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
    """What all are told alike who are refused for one reason. `headers`: but for the id, one for each time to ask again."""

    mount: Mount
    status: int
    body: bytes
    headers: tuple[Headers, ...]
    code: str
    message: str
    kind: _Kind


class Refuser:
    """Refuses; called by one thread at a time, as its counts have one writer. `tell` is for one other."""

    def __init__(self, clock: Clock, telemetry: Prepared) -> None:
        self._monotonic, self._telemetry = clock.monotonic, telemetry
        self._kinds: dict[tuple[str, str], _Kind] = {}
        self._ready: dict[tuple[str, str, str, float], _Ready] = {}

    def __call__(self, shed: Shed, mount: Mount, path: str, method: str, request_id: bytes, began: float) -> Messages:
        """Return the two messages that refuse a request, counted and logged, or among others."""
        key = mount.tenant.name, shed.reason, str(shed), shed.retry_after_s
        ready = self._ready.get(key)
        if ready is None or ready.mount is not mount:
            if len(self._ready) >= _READY:
                self._ready.clear()
            ready = self._ready[key] = self._prepared(shed, mount)
        kind, now = ready.kind, self._monotonic()
        kind.requests(1)
        kind.sheds(1)
        kind.seconds(now - began)
        if kind.has_line(now):
            self._log(ready, path, method, request_id, (now - began) * 1000)
        headers = ready.headers[crc32(request_id) % len(ready.headers)]
        start = {
            "type": "http.response.start",
            "status": ready.status,
            "headers": [(b"x-request-id", request_id), *headers],
        }
        return start, {"type": "http.response.body", "body": b"" if method == "HEAD" else ready.body}

    def tell(self, telemetry: Telemetry) -> None:
        """Log how many were refused that had no line of their own; once a second is enough."""
        for (tenant, reason), kind in list(self._kinds.items()):
            others = kind.others
            if others > kind.told:
                telemetry.event("requests_refused", tenant=tenant, reason=reason, requests=others - kind.told)
                kind.told = others

    def _prepared(self, shed: Shed, mount: Mount) -> _Ready:
        status, text = mount.dialect.refusal(shed)
        body = text.encode()
        headers: Headers = [
            what_it_is(shed),
            *of_text(body),
            *common(mount.tenant),
            (b"server-timing", b"cache;desc=" + shed.code.encode()),
        ]
        spread = tuple([again_after(seconds), *headers] for seconds in again_in(shed.retry_after_s))
        kind = self._kinds.get((mount.tenant.name, shed.reason))
        if kind is None:
            kind = self._kind(mount.tenant.name, f"{status // 100}xx", shed)
            self._kinds[mount.tenant.name, shed.reason] = kind
        return _Ready(mount, status, body, spread, shed.code, str(shed), kind)

    def _kind(self, tenant: str, status: str, shed: Shed) -> _Kind:
        return _Kind(
            self._telemetry.counter("requests", tenant=tenant, status=status, outcome=shed.code),
            self._telemetry.counter("sheds", reason=shed.reason),
            self._telemetry.timer("request_seconds", tenant=tenant, kind="other"),
        )

    def _log(self, ready: _Ready, path: str, method: str, request_id: bytes, ms: float) -> None:
        mount, code = ready.mount, ready.code
        shown = mount.shown(path, path.removeprefix(mount.tenant.prefix) or "/")
        facts = {"method": method, "path": shown, "status": ready.status, "tenant": mount.tenant.name}
        told = {**facts, "outcome": code, "bytes": len(ready.body), "error": code, "message": ready.message}
        self._telemetry.line("request", **told)(request_id.decode(), ms)

"""The quick path of a node that is traced: hits have one span."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from tintype.ports import Clock, Finder, Prepared, Span, Tracer
from tintype.web.memo import Memo, Ready
from tintype.web.mounts import Site
from tintype.web.quick import Away, Quick
from tintype.web.reply import Messages


class TracedQuick(Quick):
    """The quick path of a node that is traced."""

    def __init__(
        self,
        site: Site,
        memo: Memo,
        finder: Finder,
        clock: Clock,
        telemetry: Prepared,
        away: Away,
        tracer: Tracer,
    ) -> None:
        super().__init__(site, memo, finder, clock, telemetry, away)
        self._tracer, self._ended = tracer, clock.monotonic
        self._parent = b""

    def __call__(self, scope: MutableMapping[str, Any]) -> Messages | None:
        self._parent = next((value for name, value in scope["headers"] if name == b"traceparent"), b"")
        return super().__call__(scope)

    def _told(self, ready: Ready, request_id: bytes, body: bytes, began: float) -> Messages:
        messages = super()._told(ready, request_id, body, began)
        traced = self._tracer.begin(self._parent)
        if traced is not None:
            facts = {**ready.facts, "status": ready.status, "request_id": request_id.decode(), "kind": "hit"}
            self._tracer.end(traced, Span("request", began, self._ended(), (), facts))
        return messages

"""Traces over OpenTelemetry: which requests are traced, and their spans to a collector, by a thread of its own.

A collector that is slow or away costs requests nothing: spans wait in a bounded queue, and what finds it full is dropped.
"""

from __future__ import annotations

import logging
import random
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from tintype import __version__
from tintype.core.errors import Misconfigured
from tintype.ports import Clock, Span
from tintype.telemetry import redact
from tintype.telemetry.settings import TelemetrySettings

# W3C Trace Context: version, trace, parent span, flags. Later versions may have more behind a dash.
_TRACEPARENT = re.compile(rb"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")
_PATH = "/v1/traces"
_QUEUE, _BATCH, _PAUSE_MS = 4096, 512, 1000.0
_TIMEOUT_S = 5.0
_END_S = 2.0  # a collector that is away must not hold up the end
_SILENT_S = 10.0  # between two events of what fails
_NOTHING = Context()
_LOGGER = logging.getLogger("opentelemetry")


@dataclass(frozen=True, slots=True)
class Traced:
    """A request that is traced: what it continues."""

    parent: Context


class Traces:
    """Port Tracer. `event` tells of failures; `exemplify` puts the trace beside a time of the metric that has it."""

    def __init__(
        self,
        settings: TelemetrySettings,
        clock: Clock,
        event: Callable[..., None],
        exemplify: Callable[..., None],
    ) -> None:
        self._ratio, self._parents = settings.trace_ratio, settings.trace_parents
        self._clock, self._exemplify = clock, exemplify
        _speak_through(event)
        self._exporter = OTLPSpanExporter(endpoint=_endpoint(settings.otlp_endpoint), timeout=_TIMEOUT_S)
        resource = Resource.create({"service.name": settings.namespace or "tintype", "service.version": __version__})
        self._provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._provider.add_span_processor(
            BatchSpanProcessor(
                self._exporter, max_queue_size=_QUEUE, max_export_batch_size=_BATCH, schedule_delay_millis=_PAUSE_MS
            )
        )
        self._tracer = self._provider.get_tracer("tintype", __version__)

    def begin(self, traceparent: bytes) -> Traced | None:
        """See port Tracer."""
        found = _TRACEPARENT.fullmatch(traceparent) if self._parents != "never" else None
        sampled = found is not None and bool(int(found[3], 16) & TraceFlags.SAMPLED)
        if not sampled and ((found and self._parents == "sampled") or random.random() >= self._ratio):  # noqa: S311
            return None
        return Traced(_continued(int(found[1], 16), int(found[2], 16)) if found else _NOTHING)

    def end(self, traced: object, root: Span) -> None:
        """See port Tracer."""
        assert isinstance(traced, Traced)
        made = self._told(root, traced.parent, SpanKind.SERVER, self._clock.now() - self._clock.monotonic())
        if isinstance(made, SpanContext):
            self._exemplify(
                "request_seconds",
                root.ended - root.began,
                trace.format_trace_id(made.trace_id),
                tenant=str(root.facts.get("tenant", "")),
                kind=str(root.facts.get("kind", "other")),
            )

    def close(self) -> None:
        """Send what waits, within two seconds."""
        ending = threading.Thread(target=self._provider.shutdown, name="traces-end", daemon=True)
        ending.start()
        ending.join(_END_S)
        _LOGGER.handlers = [logging.NullHandler()]  # what fails now, fails for good
        self._exporter.shutdown()  # type: ignore[no-untyped-call]  # else it would try again for a while

    def _told(self, span: Span, parent: Context, kind: SpanKind, offset_s: float) -> SpanContext:
        """Make a span and those below it; `offset_s`: of the wall clock from the monotonic one."""
        made = self._tracer.start_span(
            span.name, parent, kind, attributes=_attributes(span.facts), start_time=_ns(span.began + offset_s)
        )
        if int(str(span.facts.get("status", 0))) >= 500:
            made.set_status(Status(StatusCode.ERROR))
        below = trace.set_span_in_context(made, _NOTHING)
        for child in span.children:
            self._told(child, below, SpanKind.INTERNAL, offset_s)
        made.end(_ns(span.ended + offset_s))
        return made.get_span_context()


def _endpoint(base: str) -> str:
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Misconfigured(f"telemetry.otlp_endpoint: {base!r} is not the http(s) URL of a collector")
    return base.rstrip("/").removesuffix(_PATH) + _PATH


def _continued(trace_id: int, span_id: int) -> Context:
    known = SpanContext(trace_id, span_id, is_remote=True, trace_flags=TraceFlags(TraceFlags.SAMPLED))
    return trace.set_span_in_context(NonRecordingSpan(known), _NOTHING)


def _attributes(facts: Any) -> dict[str, Any]:
    told = {name: redact.fact(name, value) for name, value in facts.items()}
    return {f"tintype.{name}": value for name, value in told.items() if isinstance(value, str | int | float)}


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)


class _Speaker(logging.Handler):
    """Makes the library's complaints events of ours, one in a while."""

    def __init__(self, event: Callable[..., None]) -> None:
        super().__init__(logging.WARNING)
        self._event, self._silent_until = event, 0.0

    def emit(self, record: logging.LogRecord) -> None:
        if record.created >= self._silent_until:
            self._silent_until = record.created + _SILENT_S
            self._event("traces_failed", message=record.getMessage())


def _speak_through(event: Callable[..., None]) -> None:
    _LOGGER.handlers, _LOGGER.propagate = [_Speaker(event)], False

"""The telemetry of a node: logs and Prometheus metrics behind the `Telemetry` and `Prepared` ports."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TextIO
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, generate_latest, start_http_server

from tintype.ports import Clock
from tintype.telemetry.logs import Log
from tintype.telemetry.metrics import METRICS, Kind
from tintype.telemetry.series import Part, Series
from tintype.telemetry.settings import TelemetrySettings

if TYPE_CHECKING:
    from tintype.telemetry.traces import Traces


class Undeclared(LookupError):
    """A measurement names no declared metric, or not its labels; declare it in telemetry/metrics.py."""


class NodeTelemetry:
    """Logs events and keeps metrics of its own registry.

    `strict` raises Undeclared for what telemetry/metrics.py does not have (tests); otherwise it is counted and dropped.
    """

    def __init__(self, settings: TelemetrySettings, *, out: TextIO | None = None, strict: bool = False) -> None:
        self._settings = settings
        self._log = Log(settings, out)
        self._strict = strict
        self.registry = CollectorRegistry()
        self._series = {m.name: Series(m, settings.namespace) for m in METRICS}
        for series in self._series.values():
            self.registry.register(series)
        # What all threads write to, by names and labels that are always those of one series.
        self._known: dict[Kind, dict[tuple[str | tuple[str, str], ...], Part]] = {kind: {} for kind in Kind}
        self._counters, self._gauges = self._known[Kind.COUNTER], self._known[Kind.GAUGE]
        self._histograms = self._known[Kind.HISTOGRAM]
        self._writing = threading.Lock()
        self._traces: Traces | None = None
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def event(self, name: str, /, **facts: Any) -> None:
        self._log.write(name, facts)

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        part = self._counters.get((name, *labels.items())) or self._part(Kind.COUNTER, name, labels)
        with self._writing:
            part.add(amount)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        part = self._histograms.get((name, *labels.items())) or self._part(Kind.HISTOGRAM, name, labels)
        with self._writing:
            part.observe(value)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        part = self._gauges.get((name, *labels.items())) or self._part(Kind.GAUGE, name, labels)
        part.put(value)

    def line(self, name: str, /, **facts: Any) -> Callable[[str, float], None]:
        return self._log.ready(name, facts)

    def counter(self, name: str, /, **labels: str) -> Callable[[float], None]:
        series = self._declared(Kind.COUNTER, name, labels)
        return series.own(labels) if series else _unheard

    def timer(self, name: str, /, **labels: str) -> Callable[[float], None]:
        series = self._declared(Kind.HISTOGRAM, name, labels)
        return series.own(labels) if series else _unheard

    def watch(self, name: str, read: Callable[[], float], /, **labels: str) -> None:
        series = self._declared(Kind.GAUGE, name, labels)
        if series is not None:
            series.watch(labels, read)

    def exemplify(self, name: str, value: float, trace_id: str, /, **labels: str) -> None:
        """Name the trace of a value that was observed, for scrapes that ask for OpenMetrics."""
        series = self._declared(Kind.HISTOGRAM, name, labels)
        if series is not None:
            series.exemplify(value, labels, trace_id, time.time())

    def traces(self, clock: Clock) -> Traces | None:
        """Return the tracer that the settings ask for. Raises Misconfigured."""
        if not self._settings.otlp_endpoint:
            return None
        from tintype.telemetry.traces import Traces  # noqa: PLC0415 - a quarter of a second, for those who trace

        self._traces = Traces(self._settings, clock, self.event, self.exemplify)
        return self._traces

    def _part(self, kind: Kind, name: str, labels: dict[str, str]) -> Part:
        """Return what a measurement is added to; for one that is declared nowhere, what nobody reads."""
        series = self._declared(kind, name, labels)
        if series is None:
            return Part(())
        part, always = series.shared(labels)
        if always:
            self._known[kind][name, *labels.items()] = part
        return part

    def _declared(self, kind: Kind, name: str, labels: dict[str, str]) -> Series | None:
        series = self._series.get(name)
        if series is not None and series.takes(kind, labels):
            return series
        if self._strict:
            raise Undeclared(f"{kind} {name}({', '.join(sorted(labels))}) is not declared in telemetry/metrics.py")
        self.count("metrics_dropped")
        return None

    def exposition(self) -> bytes:
        """Return all metrics in Prometheus' text format."""
        return generate_latest(self.registry)

    def serve_metrics(self, host: str, port: int) -> int:
        """Answer scrapes on a port of their own, from a thread; returns the port (port 0 takes a free one).

        Raises:
            OSError: the address is taken or not ours.
        """
        self._server = start_http_server(port, addr=host, registry=self.registry)
        return int(self._server[0].server_port)

    def close(self) -> None:
        """Send what traces wait, and stop answering scrapes. May be called twice."""
        if self._traces is not None:
            traces, self._traces = self._traces, None
            traces.close()
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join(5)


def _unheard(_value: float) -> None:
    """Drop a measurement that is declared nowhere; that was counted when it was prepared."""

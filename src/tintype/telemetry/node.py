"""The telemetry of a node: logs and Prometheus metrics behind the `Telemetry` port."""

from __future__ import annotations

import threading
from typing import Any, TextIO
from wsgiref.simple_server import WSGIServer

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, start_http_server

from tintype.telemetry.logs import Log
from tintype.telemetry.metrics import METRICS, OTHER, Kind, Label, Metric
from tintype.telemetry.settings import TelemetrySettings


class Undeclared(LookupError):
    """A measurement names no declared metric, or not its labels; declare it in telemetry/metrics.py."""


class NodeTelemetry:
    """Logs events and keeps metrics of its own registry.

    `strict` raises Undeclared for what telemetry/metrics.py does not have (tests); otherwise it is counted and dropped.
    """

    def __init__(self, settings: TelemetrySettings, *, out: TextIO | None = None, strict: bool = False) -> None:
        self._log = Log(settings, out)
        self._strict = strict
        self.registry = CollectorRegistry()
        self._series = {m.name: _Series(m, settings.namespace, self.registry) for m in METRICS}
        self._server: tuple[WSGIServer, threading.Thread] | None = None

    def event(self, name: str, /, **facts: Any) -> None:
        self._log.write(name, facts)

    def count(self, name: str, amount: float = 1, /, **labels: str) -> None:
        self._measure(Kind.COUNTER, name, amount, labels)

    def observe(self, name: str, value: float, /, **labels: str) -> None:
        self._measure(Kind.HISTOGRAM, name, value, labels)

    def gauge(self, name: str, value: float, /, **labels: str) -> None:
        self._measure(Kind.GAUGE, name, value, labels)

    def _measure(self, kind: Kind, name: str, value: float, labels: dict[str, str]) -> None:
        series = self._series.get(name)
        if series is not None and series.takes(kind, labels):
            series.record(value, labels)
        elif self._strict:
            raise Undeclared(f"{kind} {name}({', '.join(sorted(labels))}) is not declared in telemetry/metrics.py")
        else:
            self._series["metrics_dropped"].record(1, {})

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
        """Stop answering scrapes. May be called twice."""
        if self._server is not None:
            server, thread = self._server
            self._server = None
            server.shutdown()
            server.server_close()
            thread.join(5)


class _Series:
    """One declared metric and the label values it has taken so far."""

    def __init__(self, metric: Metric, namespace: str, registry: CollectorRegistry) -> None:
        kinds = {Kind.COUNTER: Counter, Kind.GAUGE: Gauge, Kind.HISTOGRAM: Histogram}
        extra = {"buckets": metric.buckets} if metric.buckets else {}
        self._metric = metric
        self._names = tuple(label.name for label in metric.labels)
        self._seen: dict[str, set[str]] = {name: set() for name in self._names}
        self._all: Any = kinds[metric.kind](
            metric.name, metric.help, self._names, namespace=namespace, registry=registry, **extra
        )
        # By label values as given; holds only values that stay as they are, so that it is as bounded as they are.
        self._children: dict[tuple[str, ...], Any] = {}
        if not self._names:
            self._children[()] = self._all

    def takes(self, kind: Kind, labels: dict[str, str]) -> bool:
        return kind is self._metric.kind and labels.keys() == self._seen.keys()

    def record(self, value: float, labels: dict[str, str]) -> None:
        given = tuple([str(labels[name]) for name in self._names])
        child = self._children.get(given)
        if child is None:
            child = self._child(given)
        match self._metric.kind:
            case Kind.COUNTER:
                # A counter only goes up; a negative amount is a defect of the caller, and worth no exception here.
                child.inc(max(0.0, value))
            case Kind.GAUGE:
                child.set(value)
            case Kind.HISTOGRAM:
                child.observe(value)

    def _child(self, given: tuple[str, ...]) -> Any:
        values = tuple(self._bounded(label, value) for label, value in zip(self._metric.labels, given, strict=True))
        child = self._all.labels(*values)
        if values == given:
            self._children[given] = child
        return child

    def _bounded(self, label: Label, value: str) -> str:
        if label.values:
            return value if value in label.values else OTHER
        seen = self._seen[label.name]
        if value not in seen and len(seen) >= label.most:
            return OTHER
        seen.add(value)
        return value

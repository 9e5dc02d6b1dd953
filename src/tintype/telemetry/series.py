"""One declared metric: its series by label values, summed when somebody looks.

A series has a part that all threads add to, under a lock of theirs, and parts of one writer each, which need none. A gauge
may also be read when somebody looks.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Any, TypeAlias

from prometheus_client import Metric as Family
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from tintype.telemetry.metrics import OTHER, Kind, Label, Metric

_Family: TypeAlias = CounterMetricFamily | GaugeMetricFamily | HistogramMetricFamily
_FAMILIES = {Kind.COUNTER: CounterMetricFamily, Kind.GAUGE: GaugeMetricFamily, Kind.HISTOGRAM: HistogramMetricFamily}


class Part:
    """Some of the numbers of one series; with `bounds`, how many values fell below each."""

    __slots__ = ("bounds", "counts", "value")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.value = 0.0

    def add(self, amount: float) -> None:
        # A counter only goes up; a negative amount is a defect of the caller, and worth no exception here.
        if amount > 0:
            self.value += amount

    def put(self, value: float) -> None:
        self.value = value

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.value += value


class Watched:
    """A gauge that is asked for its value."""

    __slots__ = ("_read", "counts")

    def __init__(self, read: Callable[[], float]) -> None:
        self._read = read
        self.counts: list[int] = []

    @property
    def value(self) -> float:
        return self._read()


class Series(Collector):
    """A metric and the label values it has taken so far."""

    def __init__(self, metric: Metric, namespace: str) -> None:
        self._metric = metric
        self._name = f"{namespace}_{metric.name}" if namespace else metric.name
        self._labels = tuple(label.name for label in metric.labels)
        self._seen: dict[str, set[str]] = {name: set() for name in self._labels}
        self._lock = threading.Lock()
        self._parts: dict[tuple[str, ...], list[Part | Watched]] = {}
        self._shared: dict[tuple[str, ...], Part] = {}
        self._exemplars: dict[tuple[str, ...], dict[int, Exemplar]] = {}
        if not self._labels:
            self.shared({})

    def takes(self, kind: Kind, labels: dict[str, str]) -> bool:
        return kind is self._metric.kind and labels.keys() == self._seen.keys()

    def shared(self, labels: dict[str, str]) -> tuple[Part, bool]:
        """Return the part that all threads write to, and whether it is always that of these labels.

        It is not for those that there may be any number of.
        """
        given = self._given(labels)
        with self._lock:
            values = self._bounded(given)
            if values not in self._shared:
                self._shared[values] = Part(self._metric.buckets)
                self._add(values, self._shared[values])
            return self._shared[values], values == given

    def exemplify(self, value: float, labels: dict[str, str], trace_id: str, now: float) -> None:
        """Name the trace of a value that was measured: the last one in each bucket is shown."""
        exemplar = Exemplar({"trace_id": trace_id}, value, now)
        with self._lock:
            values = self._bounded(self._given(labels))
            self._exemplars.setdefault(values, {})[bisect_left(self._metric.buckets, value)] = exemplar

    def own(self, labels: dict[str, str]) -> Callable[[float], None]:
        """Return what measures for one thread alone: it takes no lock."""
        part = Part(self._metric.buckets)
        with self._lock:
            self._add(self._bounded(self._given(labels)), part)
        return {Kind.COUNTER: part.add, Kind.GAUGE: part.put, Kind.HISTOGRAM: part.observe}[self._metric.kind]

    def watch(self, labels: dict[str, str], read: Callable[[], float]) -> None:
        """Have a gauge read when somebody looks, in place of what it was before."""
        with self._lock:
            self._parts[self._bounded(self._given(labels))] = [Watched(read)]

    def describe(self) -> Iterable[Family]:
        return [self._family()]

    def collect(self) -> Iterable[Family]:
        """Return the sums; what is added meanwhile is in the next."""
        family = self._family()
        with self._lock:
            series = [
                (values, tuple(parts), dict(self._exemplars.get(values, {}))) for values, parts in self._parts.items()
            ]
        for values, parts, exemplars in series:
            total = sum(part.value for part in parts)
            if isinstance(family, HistogramMetricFamily):
                counts = accumulate(sum(column) for column in zip(*(part.counts for part in parts), strict=True))
                family.add_metric(values, self._buckets(counts, exemplars), total)
            else:
                family.add_metric(values, total)
        return [family]

    def _buckets(self, counts: Iterable[int], exemplars: dict[int, Exemplar]) -> list[Any]:
        bounds = map(floatToGoString, (*self._metric.buckets, float("inf")))
        counted = enumerate(zip(bounds, counts, strict=True))
        return [(*bucket, exemplars[at]) if at in exemplars else bucket for at, bucket in counted]

    def _family(self) -> _Family:
        made: _Family = _FAMILIES[self._metric.kind](self._name, self._metric.help, labels=self._labels)
        return made

    def _add(self, values: tuple[str, ...], part: Part) -> None:
        self._parts.setdefault(values, []).append(part)

    def _given(self, labels: dict[str, str]) -> tuple[str, ...]:
        return tuple(str(labels[name]) for name in self._labels)

    def _bounded(self, given: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self._one(label, value) for label, value in zip(self._metric.labels, given, strict=True))

    def _one(self, label: Label, value: str) -> str:
        if label.values:
            return value if value in label.values else OTHER
        seen = self._seen[label.name]
        if value not in seen and len(seen) >= label.most:
            return OTHER
        seen.add(value)
        return value

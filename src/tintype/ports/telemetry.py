"""Ports of time, and of what is told about what a node does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol


class Clock(Protocol):
    """Synchronous, so that deciders and tests can be handed any time."""

    def now(self) -> float: ...
    def monotonic(self) -> float: ...


class Telemetry(Protocol):
    """Synchronous and never failing: a metric that cannot be kept is dropped."""

    def event(self, name: str, /, **facts: Any) -> None: ...
    def count(self, name: str, amount: float = 1, /, **labels: str) -> None: ...
    def observe(self, name: str, value: float, /, **labels: str) -> None: ...
    def gauge(self, name: str, value: float, /, **labels: str) -> None: ...


class Prepared(Protocol):
    """Telemetry for what happens thousands of times a second: resolved once. What is returned is for one thread alone."""

    def line(self, name: str, /, **facts: Any) -> Callable[[str, float], None]:
        """Prepare an event; call with its request_id (letters, digits, _ and -) and its milliseconds."""
        ...

    def counter(self, name: str, /, **labels: str) -> Callable[[float], None]: ...
    def timer(self, name: str, /, **labels: str) -> Callable[[float], None]: ...
    def watch(self, name: str, read: Callable[[], float], /, **labels: str) -> None:
        """Have a gauge read when somebody looks, in whatever thread, in place of putting it at each change."""
        ...


class Measures(Telemetry, Prepared, Protocol):
    """Both: what is handed on to those who need the one or the other."""


@dataclass(frozen=True, slots=True)
class Span:
    """Something that took time (Clock.monotonic), and what took it within. `facts`: as of an event."""

    name: str
    began: float
    ended: float
    children: tuple[Span, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


class Tracer(Protocol):
    """Traces of some requests. From any thread; never waits."""

    def begin(self, traceparent: bytes) -> object | None:
        """Return what stands for a request's trace; None = it has none. `traceparent`: the request's header, or empty."""

    def end(self, traced: object, root: Span) -> None:
        """Take the spans of a request; its facts have the tenant and kind that its time is counted by."""

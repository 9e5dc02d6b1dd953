"""When the phases of a request were, as a tree of spans, for a request that is traced."""

from __future__ import annotations

from tintype.ports import Clock, Span

# Phases that a worker reports when it is done, in their order. Its figures are CPU time, and are laid end to end.
_ENGINE = ("queue", "decode", "steps", "encode")


class Watch:
    """When the phases of one request ended, and how long they took."""

    def __init__(self, clock: Clock) -> None:
        self._now = clock.monotonic
        self._spans: list[Span] = []  # of the request
        self._inner: list[Span] = []  # of the rendering that is under way

    def ended(self, phase: str, seconds: float) -> None:
        """Note that a phase has just ended."""
        now = self._now()
        if phase in _ENGINE:
            # What ended together is moved to before what is reported last.
            self._inner = [Span(one.name, one.began - seconds, one.ended - seconds) for one in self._inner]
            self._inner.append(Span(phase, now - seconds, now))
            return
        inner, self._inner = (tuple(self._inner), []) if phase == "render" else ((), self._inner)
        self._spans.append(Span(phase, now - seconds, now, inner))

    def spans(self, ready: float, ended: float, *, fetched: bool) -> tuple[Span, ...]:
        """Return the phases, and the sending of the answer. `fetched`: the last look at the source asked its origin."""
        sources = [at for at, span in enumerate(self._spans) if span.name == "source"]
        last = sources[-1] if fetched and sources else -1
        named = [
            Span("fetch" if at == last else span.name, span.began, span.ended, span.children)
            for at, span in enumerate(self._spans)
        ]
        return (*named, Span("send", ready, ended))

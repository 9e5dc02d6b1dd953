"""Logs: one event a line on standard error, JSON for machines or coloured for a terminal."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from functools import lru_cache, partial
from typing import Any, TextIO

import msgspec

from tintype.telemetry import redact
from tintype.telemetry.behind import Behind
from tintype.telemetry.settings import TelemetrySettings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def level_of(name: str, facts: MutableMapping[str, Any]) -> str:
    """Return an event's level: the fact `level` if it is one, else by its last word: `*_failed` is a warning."""
    given = facts.pop("level", None)
    if given in _LEVELS:
        return str(given)
    return _level_of_name(name)


@lru_cache(1000)
def _level_of_name(name: str) -> str:
    return "warning" if re.split(r"[._]", name)[-1] in _WARNINGS else "info"


_WARNINGS = frozenset({"failed", "crashed", "refused", "damaged", "lost", "warning"})


class Log:
    """Writes events at or above a level. A log that cannot be written (closed pipe, full disk) is lost, not an error.

    An `out` that is given is written at once; standard error, behind.
    """

    def __init__(self, settings: TelemetrySettings, out: TextIO | None = None) -> None:
        stream = out or sys.stderr
        self._least = _LEVELS[settings.log_level]
        pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and stream.isatty())
        self._render = _pretty(stream) if pretty else _json
        self._json = not pretty
        self._put = partial(_at_once, out) if out else Behind(stream, self._told_lost).write

    def write(self, name: str, facts: dict[str, Any]) -> None:
        event = self._event(name, facts)
        if event is not None:
            self._put(self._render({"time": timestamp(time.time()), **event}) + "\n")

    def ready(self, name: str, facts: dict[str, Any]) -> Callable[[str, float], None]:
        """Prepare an event; what is returned writes it with a `request_id` (letters, digits, _ and -) and `ms`."""
        if not self._json:
            return lambda request_id, ms: self.write(name, {"request_id": request_id, **facts, "ms": round(ms, 2)})
        event = self._event(name, facts)
        if event is None:
            return _silent
        first = {known: event.pop(known) for known in _FIRST}
        head, tail, put = _json(first)[1:-1], _json(event)[1:-1] + "," if event else "", self._put

        def write(request_id: str, ms: float) -> None:
            put(f'{{"time":"{timestamp(time.time())}",{head},"request_id":"{request_id}",{tail}"ms":{ms:.2f}}}\n')

        return write

    def _event(self, name: str, facts: dict[str, Any]) -> dict[str, Any] | None:
        """Return an event without its time, fit for the log; None = it is below the level."""
        facts = dict(facts)
        level = level_of(name, facts)
        if _LEVELS[level] < self._least:
            return None
        if isinstance(raised := facts.pop("exc_info", None), BaseException):
            facts["traceback"] = "".join(traceback.format_exception(raised))[-redact.LENGTH :]
        event: dict[str, Any] = dict(zip(_FIRST, (level, name), strict=True))
        for key, value in facts.items():
            # A fact that is called like one of our own keeps its value under another name.
            event[f"{key}_" if key in event or key == "time" else key] = redact.fact(key, value)
        return event

    def _told_lost(self, lines: int) -> str:
        event = self._event("log_lines_lost", {"lines": lines})
        return self._render({"time": timestamp(time.time()), **event}) + "\n" if event else ""


_FIRST = ("level", "event")


def _at_once(out: TextIO, line: str) -> None:
    with contextlib.suppress(OSError, ValueError):
        out.write(line)
        out.flush()


def _silent(_request_id: str, _ms: float) -> None:
    """Write nothing: the event is below the level."""


def timestamp(now: float) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return _millisecond(int(now * 1000))


@lru_cache(8)
def _millisecond(now: int) -> str:
    return f"{_second(now // 1000)}.{now % 1000:03d}Z"


@lru_cache(2)
def _second(now: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))


_ENCODER = msgspec.json.Encoder()


def _json(event: dict[str, Any]) -> str:
    try:
        return _ENCODER.encode(event).decode()
    except (ValueError, OverflowError):
        # Lone surrogates (a path that is not UTF-8) and integers of more than 64 bits.
        return json.dumps(event)


def _pretty(out: TextIO) -> Callable[[dict[str, Any]], str]:
    import structlog.dev  # noqa: PLC0415 - a tenth of a second, for a terminal

    renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", pad_event_to=24)
    return lambda event: renderer(None, "", event)

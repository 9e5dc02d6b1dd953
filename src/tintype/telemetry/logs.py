"""Logs: one event a line on standard error, JSON for machines or coloured for a terminal."""

from __future__ import annotations

import contextlib
import json
import re
import sys
import time
import traceback
from collections.abc import Callable, MutableMapping
from functools import lru_cache
from typing import Any, TextIO

import msgspec
import structlog

from tintype.telemetry import redact
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
    """Writes events at or above a level. A log that cannot be written (closed pipe, full disk) is lost, not an error."""

    def __init__(self, settings: TelemetrySettings, out: TextIO | None = None) -> None:
        self._out = out or sys.stderr
        self._least = _LEVELS[settings.log_level]
        pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and self._out.isatty())
        self._render = _pretty(self._out) if pretty else _json

    def write(self, name: str, facts: dict[str, Any]) -> None:
        facts = dict(facts)
        level = level_of(name, facts)
        if _LEVELS[level] < self._least:
            return
        if isinstance(raised := facts.pop("exc_info", None), BaseException):
            facts["traceback"] = "".join(traceback.format_exception(raised))[-redact.LENGTH :]
        event: dict[str, Any] = {"time": timestamp(time.time()), "level": level, "event": name}
        for key, value in facts.items():
            # A fact that is called like one of our own keeps its value under another name.
            event[f"{key}_" if key in event else key] = redact.fact(key, value)
        with contextlib.suppress(OSError, ValueError):
            self._out.write(self._render(event) + "\n")
            self._out.flush()


def timestamp(now: float) -> str:
    """Return a time as ISO 8601 in UTC, to the millisecond."""
    return f"{_second(int(now))}.{int(now % 1 * 1000):03d}Z"


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
    renderer = structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", pad_event_to=24)
    return lambda event: renderer(None, "", event)

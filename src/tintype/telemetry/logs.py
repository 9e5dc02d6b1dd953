"""Logs: one event a line on standard error, JSON for machines or coloured for a terminal."""

from __future__ import annotations

import re
import sys
import traceback
from collections.abc import MutableMapping
from typing import Any, TextIO

import structlog

from tintype.telemetry import redact
from tintype.telemetry.settings import TelemetrySettings

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def level_of(name: str, facts: MutableMapping[str, Any]) -> str:
    """Return an event's level: the fact `level` if it is one, else by its last word: `*_failed` is a warning."""
    given = facts.pop("level", None)
    if given in _LEVELS:
        return str(given)
    return "warning" if re.split(r"[._]", name)[-1] in _WARNINGS else "info"


_WARNINGS = frozenset({"failed", "crashed", "refused", "damaged", "lost", "warning"})


def _redact(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {k: v if k in ("event", "level", "time") else redact.fact(k, v) for k, v in event.items()}


def _order(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = {k: event[k] for k in ("time", "level", "event") if k in event}
    return {**first, **{k: v for k, v in event.items() if k not in first}}


class Log:
    """Writes events at or above a level. A log that cannot be written (closed pipe, full disk) is lost, not an error."""

    def __init__(self, settings: TelemetrySettings, out: TextIO | None = None) -> None:
        out = out or sys.stderr
        pretty = settings.log_format == "pretty" or (settings.log_format == "auto" and out.isatty())
        self._least = _LEVELS[settings.log_level]
        self._logger = structlog.wrap_logger(
            structlog.PrintLogger(out),
            processors=[
                structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
                _redact,
                _order,
                _pretty(out) if pretty else structlog.processors.JSONRenderer(),
            ],
            wrapper_class=structlog.BoundLogger,
        )

    def write(self, name: str, facts: dict[str, Any]) -> None:
        facts = dict(facts)
        if isinstance(raised := facts.pop("exc_info", None), BaseException):
            facts["traceback"] = "".join(traceback.format_exception(raised))[-redact.LENGTH :]
        level = level_of(name, facts)
        if _LEVELS[level] < self._least:
            return
        # `event` and `time` are ours; a fact of that name keeps its value under another.
        for taken in ("event", "time"):
            if taken in facts:
                facts[f"{taken}_"] = facts.pop(taken)
        try:
            self._logger.info(name, level=level, **facts)
        except (OSError, ValueError):
            return


def _pretty(out: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(colors=out.isatty(), timestamp_key="time", pad_event_to=24)

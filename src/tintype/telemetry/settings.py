"""Settings of logs and metrics."""

from __future__ import annotations

from dataclasses import dataclass

from tintype.core.settings import setting


@dataclass(frozen=True, slots=True)
class TelemetrySettings:
    """Logs go to standard error."""

    log_format: str = setting(
        "auto", "json, pretty, or auto: pretty on a terminal.", choices=("auto", "json", "pretty")
    )
    log_level: str = setting("info", "debug, info, warning or error.", choices=("debug", "info", "warning", "error"))
    slow_request_s: float = setting(
        5.0, "An answer that is ready later than this gets an event with its plan and timings (slow_request); 0 = none."
    )
    namespace: str = setting("tintype", "Prefix of every metric.")

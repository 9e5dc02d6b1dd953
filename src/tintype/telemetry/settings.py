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
    namespace: str = setting("tintype", "Prefix of every metric.")

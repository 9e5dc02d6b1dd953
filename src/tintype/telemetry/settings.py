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
    otlp_endpoint: str = setting(
        "", "OTLP/HTTP collector that traces are sent to, as http://127.0.0.1:4318; empty = no traces."
    )
    trace_ratio: float = setting(0.01, "Share of requests that are traced, of those without a traceparent.", most=1)
    trace_parents: str = setting(
        "sampled",
        "Which traceparent headers are continued: sampled (those whose sender samples are traced, the others not), always"
        " (the others by trace_ratio), or never.",
        choices=("sampled", "always", "never"),
    )
    namespace: str = setting("tintype", "Prefix of every metric.")

"""Variables that imgproxy has and tintype does not: why, and which of them must not be ignored."""

from __future__ import annotations

import re

_SETTINGS = "put the settings into the environment, a file named by IMGPROXY_ENV_LOCAL_FILE_PATH, or tintype.toml"
_ROLE = "give credentials that have only the rights meant (AWS_* variables, or sources.stores.s3 in tintype.toml)"

# Ignoring one of these would leave URLs unsigned or let more be read than meant: refused at start.
SECURITY: dict[str, str] = {
    "ENV_AWS_SECRET_ID": _SETTINGS,
    "ENV_AWS_SECRET_VERSION_ID": _SETTINGS,
    "ENV_AWS_SECRET_VERSION_STAGE": _SETTINGS,
    "ENV_AWS_SECRET_REGION": _SETTINGS,
    "ENV_AWS_SSM_PARAMETERS_PATH": _SETTINGS,
    "ENV_AWS_SSM_PARAMETERS_REGION": _SETTINGS,
    "ENV_GCP_SECRET_ID": _SETTINGS,
    "ENV_GCP_SECRET_VERSION_ID": _SETTINGS,
    "ENV_GCP_SECRET_PROJECT_ID": _SETTINGS,
    "S3_ASSUME_ROLE_ARN": _ROLE,
    "S3_ASSUME_ROLE_EXTERNAL_ID": _ROLE,
    "S3_USE_DECRYPTION_CLIENT": "client-side decryption of S3 objects is not here; store them with server-side encryption",
    "CUSTOM_RESPONSE_HEADERS": "set the headers at the edge (nginx add_header), as they may protect what is served",
    "INFO_ONLY_PRESETS": "there is no info endpoint; leave it out",
}

_PRO = "it belongs to a part of imgproxy Pro that tintype does not have"
_METRICS = "metrics are for Prometheus here; set IMGPROXY_PROMETHEUS_BIND"
_ERRORS = "errors are in the logs here, as JSON with stable event names"
_MEMORY = "memory is bounded by limits.worker_rss_bytes and limits.worker_memory_bytes here"
_CACHE = "results are cached without it; see [cache] in docs/reference/settings.md"
_LIMITS = "the decoder's own limits stay on"

_PRO_NAMES = (
    r"JPEG_|PNG_|WEBP_|AVIF_|JXL_|AUTOQUALITY_|BEST_FORMAT_|ENABLE_VIDEO_|VIDEO_|UNSHARP|SMART_CROP_|"
    r"OBJECT_DETECTION_|CLASSIFICATION_|WATERMARK|FALLBACK_IMAGE|INFO_|STRIP_METADATA_DPI$|SVG_|PDF_|"
    r"CUSTOM_|RESPONSE_HEADERS_|SERVER_NAME$|HEALTH_CHECK_MESSAGE$|MAX_CHAINED_PIPELINES$|COLOR_PROFILES_DIR$|"
    r"ENABLE_RAW_FORMATS$|RESIZING_ALGORITHM$|C2PA_|HWACCEL|HARDWARE_"
)
# By the beginning of the name; the first that fits counts.
UNSUPPORTED: tuple[tuple[str, str], ...] = (
    (r"OPEN_TELEMETRY_|OTEL_", "OpenTelemetry is not here yet; " + _METRICS),
    (r"DATADOG_|NEW_RELIC_|CLOUD_WATCH_", _METRICS),
    (r"BUGSNAG_|HONEYBADGER_|SENTRY_|AIRBRAKE_|REPORT_", _ERRORS),
    (r"SYSLOG_|LOG_MEM_STATS$", "logs go to standard error here"),
    (r"USE_SWIFT$|SWIFT_", "OpenStack Swift is not here; its S3 interface is, as a store"),
    (r"CACHE_|ALLOW_BYPASS_CACHE$", _CACHE),
    (r"DOWNLOAD_BUFFER_SIZE$|FREE_MEMORY_INTERVAL$|BUFFER_POOL_|MALLOC$|GZIP_", _MEMORY),
    (r"PNG_UNLIMITED$|SVG_UNLIMITED$", _LIMITS),
    (r"MAX_SVG_CHECK_BYTES$", "SVG is recognised without it"),
    (r"SO_REUSEPORT$", "one front listens on the port"),
    (r"S3_MULTI_REGION$", "name one store for each region in [sources.stores]"),
    (r"VIPS_|FAIL_ON_DEPRECATION$", "it is about imgproxy's own build"),
    (r"LICENSE_", "there is no licence to check"),
    (_PRO_NAMES, _PRO),
)


def why_unsupported(name: str) -> str | None:
    """Return why a variable of imgproxy does nothing, or None if imgproxy has no such variable."""
    return next((why for begins, why in UNSUPPORTED if re.match(begins, name)), None)

"""imgproxy's variables in one table: the setting that each one means, and how its text is read.

Facts: the configuration of imgproxy 4.0.12 and, for older names, 3.x.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tintype import __version__

Read = Callable[[str], Any]

# imgproxy's switched-off bounds become the largest that tintype takes: nothing here is unbounded.
MOST_CLIENTS = 65_536


class Bad(ValueError):
    """A variable's text is wrong; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and the setting it means. `read` None: read together with others, by a rule below."""

    name: str
    setting: str
    read: Read | None = None
    note: str = ""


# Readers: text -> what the setting takes in TOML


def as_text(text: str) -> str:
    return text


def as_bool(text: str) -> bool:
    # What Go's ParseBool takes.
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise Bad("true or false")


def as_opposite(text: str) -> bool:
    return not as_bool(text)


def as_int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise Bad("a whole number") from None


def as_float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise Bad("a number") from None


def as_mega(text: str) -> int:
    return int(as_float(text) * 1_000_000)


def as_words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def as_path(text: str) -> str:
    path = text.partition("?")[0].partition("#")[0].rstrip("/")
    return path if path.startswith("/") or not path else f"/{path}"


def as_qualities(text: str) -> dict[str, int]:
    pairs = [part.partition("=") for part in as_words(text)]
    if not all(equals for _, equals, _ in pairs):
        raise Bad("format=quality pairs, such as webp=79,avif=63")
    return {name.strip(): as_int(value.strip()) for name, _, value in pairs}


def as_pairs(text: str) -> list[list[str]]:
    pairs = [part.partition("=") for part in text.split(";")]
    if not all(equals for _, equals, _ in pairs):
        raise Bad("pattern=replacement pairs, divided by ;")
    return [[pattern, replacement] for pattern, _, replacement in pairs]


def as_user_agent(text: str) -> str:
    return text.replace("%current_version", __version__)


def as_log_format(text: str) -> str:
    return {"pretty": "pretty"}.get(text, "json")


def as_log_level(text: str) -> str:
    return {"warn": "warning", "fatal": "error", "panic": "error", "critical": "error"}.get(text.lower(), text.lower())


def as_clients(text: str) -> int:
    return as_int(text) or MOST_CLIENTS


TENANT = "tenants.default."
POLICY = "tenants.default.policy."
DELIVERY = "tenants.default.delivery."

VARIABLES: tuple[Variable, ...] = (
    # Signing and access
    Variable("KEY", TENANT + "keys", as_words),
    Variable("SALT", TENANT + "salts", as_words),
    Variable("SIGNATURE_SIZE", TENANT + "signature_size", as_int),
    Variable("TRUSTED_SIGNATURES", TENANT + "trusted_signatures", as_words),
    Variable("SOURCE_URL_ENCRYPTION_KEY", TENANT + "source_key", as_text),
    Variable("SECRET", DELIVERY + "secret", as_text),
    # Server
    Variable("BIND", "server.host, server.port", note=":8080, host:port or [address]:port; a Unix socket is refused"),
    Variable("NETWORK", "server.host", note="tcp, tcp4 or tcp6; unix is refused"),
    Variable("PATH_PREFIX", "server.path_prefix", as_path),
    Variable("HEALTH_CHECK_PATH", "server.health_path", as_path),
    Variable("TIMEOUT", "limits.request_timeout_s", as_int),
    Variable("READ_REQUEST_TIMEOUT", "server.read_timeout_s", as_int),
    Variable(
        "WRITE_RESPONSE_TIMEOUT", "server.write_timeout_s", as_int, "for each piece of a body over 1 MB, not for all"
    ),
    Variable("KEEP_ALIVE_TIMEOUT", "server.keep_alive_timeout_s", as_int),
    Variable("CLIENT_KEEP_ALIVE_TIMEOUT", "sources.keep_alive_s", as_int),
    Variable("DOWNLOAD_TIMEOUT", "limits.fetch_timeout_s", as_int),
    Variable("GRACEFUL_STOP_TIMEOUT", "server.drain_timeout_s", as_int, "unset: twice IMGPROXY_TIMEOUT"),
    Variable("WORKERS", "engine.workers", as_int, "unset: one for each core"),
    Variable("REQUESTS_QUEUE_SIZE", "limits.render_queue", note="0 keeps tintype's bound; there is always one"),
    Variable("MAX_CLIENTS", "limits.clients", as_clients, f"0 becomes {MOST_CLIENTS}; there is always a bound"),
    Variable("ENABLE_DEBUG_HEADERS", "server.debug_headers", as_bool),
    Variable("DEVELOPMENT_ERRORS_MODE", "server.development_errors", as_bool),
    # Delivery
    Variable("TTL", DELIVERY + "ttl_s", as_int),
    Variable("CACHE_CONTROL_PASSTHROUGH", DELIVERY + "origin_cache_control", as_bool),
    Variable("SET_CANONICAL_HEADER", DELIVERY + "canonical_header", as_bool),
    Variable("USE_ETAG", DELIVERY + "etag", as_bool),
    Variable("ETAG_BUSTER", DELIVERY + "etag_buster", as_text),
    Variable("USE_LAST_MODIFIED", DELIVERY + "last_modified", as_bool),
    Variable("LAST_MODIFIED_BUSTER", DELIVERY + "last_modified_buster", as_text),
    Variable("RETURN_ATTACHMENT", DELIVERY + "attachment", as_bool),
    Variable("ALLOW_ORIGIN", DELIVERY + "allow_origin", as_text),
    Variable("COOKIE_PASSTHROUGH", DELIVERY + "cookie_passthrough", as_bool),
    Variable("COOKIE_BASE_URL", DELIVERY + "cookie_base_url", as_text),
    Variable("COOKIE_PASSTHROUGH_ALL", DELIVERY + "cookie_passthrough_all", as_bool),
    Variable("REQUEST_HEADERS_PASSTHROUGH", DELIVERY + "forward_headers", as_words),
    # Sources
    Variable("USER_AGENT", "sources.user_agent", as_user_agent),
    Variable("MAX_REDIRECTS", "limits.source_redirects", as_int),
    Variable("IGNORE_SSL_VERIFICATION", "sources.verify_tls", as_opposite),
    Variable("ALLOWED_SOURCES", TENANT + "allowed_sources", as_words),
    Variable("ALLOW_LOOPBACK_SOURCE_ADDRESSES", "sources.allow_loopback", as_bool),
    Variable("ALLOW_LINK_LOCAL_SOURCE_ADDRESSES", "sources.allow_link_local", as_bool),
    Variable("ALLOW_PRIVATE_SOURCE_ADDRESSES", "sources.allow_private", as_bool),
    Variable("LOCAL_FILESYSTEM_ROOT", "sources.local_root", as_text),
    Variable("SOURCE_URL_QUERY_SEPARATOR", "sources.query_separator", note="set and empty: object versions are off"),
    Variable("BASE_URL", TENANT + "base_url", as_text),
    Variable("URL_REPLACEMENTS", TENANT + "url_replacements", as_pairs),
    Variable("BASE64_URL_INCLUDES_FILENAME", TENANT + "base64_includes_filename", as_bool),
    Variable("USE_S3", "sources.stores.s3"),
    Variable("S3_REGION", "sources.stores.s3.region"),
    Variable("S3_ENDPOINT", "sources.stores.s3.endpoint"),
    Variable("S3_ENDPOINT_USE_PATH_STYLE", "sources.stores.s3.path_style"),
    Variable("S3_ALLOWED_BUCKETS", "sources.stores.s3.allowed_buckets"),
    Variable("S3_DENIED_BUCKETS", "sources.stores.s3.denied_buckets"),
    Variable("USE_GCS", "sources.stores.gs"),
    Variable("GCS_KEY", "sources.stores.gs.secret_key"),
    Variable("GCS_ENDPOINT", "sources.stores.gs.endpoint"),
    Variable("GCS_ALLOWED_BUCKETS", "sources.stores.gs.allowed_buckets"),
    Variable("GCS_DENIED_BUCKETS", "sources.stores.gs.denied_buckets"),
    Variable("USE_ABS", "sources.stores.abs"),
    Variable("ABS_NAME", "sources.stores.abs.access_key"),
    Variable("ABS_KEY", "sources.stores.abs.secret_key"),
    Variable("ABS_ENDPOINT", "sources.stores.abs.endpoint"),
    Variable("ABS_ALLOWED_BUCKETS", "sources.stores.abs.allowed_buckets"),
    Variable("ABS_DENIED_BUCKETS", "sources.stores.abs.denied_buckets"),
    # Grammar
    Variable("ARGUMENTS_SEPARATOR", TENANT + "arguments_separator", as_text),
    Variable("PRESETS", TENANT + "presets", note="divided by IMGPROXY_PRESETS_SEPARATOR"),
    Variable("PRESETS_PATH", TENANT + "presets", note="a file, one preset a line, # begins a comment"),
    Variable("PRESETS_SEPARATOR", TENANT + "presets", note="unset: a comma"),
    Variable("ONLY_PRESETS", TENANT + "only_presets", as_bool),
    Variable("ALLOWED_PROCESSING_OPTIONS", TENANT + "allowed_options", as_words),
    Variable("ALLOW_SECURITY_OPTIONS", TENANT + "allow_security_options", as_bool),
    # Bounds
    Variable("MAX_SRC_RESOLUTION", POLICY + "source_pixels", as_mega),
    Variable(
        "MAX_SRC_FILE_SIZE", TENANT + "source_bytes", note="0 keeps tintype's bound; more raises limits.source_bytes"
    ),
    Variable("MAX_ANIMATION_FRAMES", POLICY + "frames", as_int),
    Variable("MAX_ANIMATION_FRAME_RESOLUTION", POLICY + "frame_pixels", as_mega),
    Variable("MAX_RESULT_DIMENSION", POLICY + "result_side_px", as_int),
    # Encoding
    Variable("QUALITY", POLICY + "quality", as_int),
    Variable("FORMAT_QUALITY", POLICY + "format_quality", as_qualities),
    Variable("JPEG_PROGRESSIVE", POLICY + "jpeg_progressive", as_bool),
    Variable("PNG_INTERLACED", POLICY + "png_interlaced", as_bool),
    Variable("PNG_QUANTIZE", POLICY + "png_quantize", as_bool),
    Variable("PNG_QUANTIZATION_COLORS", POLICY + "png_colors", as_int),
    Variable("WEBP_EFFORT", POLICY + "webp_effort", as_int),
    Variable("WEBP_PRESET", POLICY + "webp_preset", str.lower),
    Variable("AVIF_SPEED", POLICY + "avif_speed", as_int),
    Variable("JXL_EFFORT", POLICY + "jxl_effort", as_int),
    # Formats
    Variable("AUTO_WEBP", POLICY + "auto_formats"),
    Variable("AUTO_AVIF", POLICY + "auto_formats"),
    Variable("AUTO_JXL", POLICY + "auto_formats"),
    Variable("ENFORCE_WEBP", POLICY + "enforce_formats"),
    Variable("ENFORCE_AVIF", POLICY + "enforce_formats"),
    Variable("ENFORCE_JXL", POLICY + "enforce_formats"),
    Variable("ENABLE_CLIENT_HINTS", POLICY + "client_hints", as_bool),
    Variable("PREFERRED_FORMATS", POLICY + "preferred_formats", as_words),
    Variable("SKIP_PROCESSING_FORMATS", POLICY + "passthrough", as_words),
    # Processing
    Variable("AUTO_ROTATE", TENANT + "auto_rotate", as_bool),
    Variable("STRIP_METADATA", POLICY + "strip_metadata", as_bool),
    Variable("KEEP_COPYRIGHT", POLICY + "keep_copyright", as_bool),
    Variable("STRIP_COLOR_PROFILE", POLICY + "strip_color_profile", as_bool),
    Variable("PRESERVE_HDR", POLICY + "preserve_hdr", as_bool),
    Variable("ENFORCE_THUMBNAIL", POLICY + "enforce_thumbnail", as_bool),
    Variable("USE_LINEAR_COLORSPACE", POLICY + "light", lambda text: "linear" if as_bool(text) else "gamma"),
    Variable("DISABLE_SHRINK_ON_LOAD", POLICY + "shrink_on_load", as_opposite),
    Variable("ALWAYS_RASTERIZE_SVG", POLICY + "rasterize_svg", as_bool),
    Variable("SANITIZE_SVG", POLICY + "sanitize_svg", as_bool),
    # Watermark and fallback
    Variable("WATERMARK_DATA", TENANT + "watermark.data", as_text),
    Variable("WATERMARK_PATH", TENANT + "watermark.path", as_text),
    Variable("WATERMARK_URL", TENANT + "watermark.url", as_text),
    Variable("WATERMARK_OPACITY", POLICY + "watermark_opacity", as_float),
    Variable("FALLBACK_IMAGE_DATA", TENANT + "fallback.data", as_text),
    Variable("FALLBACK_IMAGE_PATH", TENANT + "fallback.path", as_text),
    Variable("FALLBACK_IMAGE_URL", TENANT + "fallback.url", as_text),
    Variable("FALLBACK_IMAGE_HTTP_CODE", TENANT + "fallback.status", as_int),
    Variable("FALLBACK_IMAGE_TTL", TENANT + "fallback.ttl_s", as_int),
    # Telemetry
    Variable("PROMETHEUS_BIND", "server.metrics_host, server.metrics_port"),
    Variable("PROMETHEUS_NAMESPACE", "telemetry.namespace", as_text),
    Variable("LOG_FORMAT", "telemetry.log_format", as_log_format, "structured and gcp become json"),
    Variable("LOG_LEVEL", "telemetry.log_level", as_log_level),
    Variable("ENV_LOCAL_FILE_PATH", "", note="a file of NAME=value lines, read before anything else"),
)

# Names of imgproxy 3 and what they are called now.
RENAMED = {
    "ENABLE_WEBP_DETECTION": "AUTO_WEBP",
    "ENABLE_AVIF_DETECTION": "AUTO_AVIF",
    "CONCURRENCY": "WORKERS",
    "READ_TIMEOUT": "READ_REQUEST_TIMEOUT",
    "WRITE_TIMEOUT": "TIMEOUT",
    "MAX_GIF_FRAMES": "MAX_ANIMATION_FRAMES",
}

"""imgproxy's environment variables: which setting each one means, and what becomes of those tintype does not have.

Facts: the configuration of imgproxy 4.0.12 and, for older names, 3.x. An empty variable counts as not set.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File
from typing import Any

from tintype import __version__
from tintype.config import coerce, schema
from tintype.config.given import Given, read_file
from tintype.config.imgproxy_known import SECURITY, why_unsupported
from tintype.core.errors import Misconfigured

PREFIX = "IMGPROXY_"
Env = Mapping[str, str]
Read = Callable[[str], Any]

# imgproxy's switched-off bounds become the largest that tintype takes: nothing here is unbounded.
MOST_CLIENTS = 65_536


class _Bad(ValueError):
    """A variable's text is wrong; the message says what it takes."""


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable and the setting it means. `read` None: read together with others, by a rule below."""

    name: str
    setting: str
    read: Read | None = None
    note: str = ""


# Readers: text -> what the setting takes in TOML


def _text(text: str) -> str:
    return text


def _bool(text: str) -> bool:
    # What Go's ParseBool takes.
    if text in ("1", "t", "T", "true", "TRUE", "True"):
        return True
    if text in ("0", "f", "F", "false", "FALSE", "False"):
        return False
    raise _Bad("true or false")


def _not(text: str) -> bool:
    return not _bool(text)


def _int(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _Bad("a whole number") from None


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise _Bad("a number") from None


def _mega(text: str) -> int:
    return int(_float(text) * 1_000_000)


def _words(text: str) -> list[str]:
    return [part.strip() for part in text.split(",")]


def _path(text: str) -> str:
    path = text.partition("?")[0].partition("#")[0].rstrip("/")
    return path if path.startswith("/") or not path else f"/{path}"


def _qualities(text: str) -> dict[str, int]:
    pairs = [part.partition("=") for part in _words(text)]
    if not all(equals for _, equals, _ in pairs):
        raise _Bad("format=quality pairs, such as webp=79,avif=63")
    return {name.strip(): _int(value.strip()) for name, _, value in pairs}


def _replacements(text: str) -> list[list[str]]:
    pairs = [part.partition("=") for part in text.split(";")]
    if not all(equals for _, equals, _ in pairs):
        raise _Bad("pattern=replacement pairs, divided by ;")
    return [[pattern, replacement] for pattern, _, replacement in pairs]


def _user_agent(text: str) -> str:
    return text.replace("%current_version", __version__)


def _log_format(text: str) -> str:
    return {"pretty": "pretty"}.get(text, "json")


def _log_level(text: str) -> str:
    return {"warn": "warning", "fatal": "error", "panic": "error", "critical": "error"}.get(text.lower(), text.lower())


def _clients(text: str) -> int:
    return _int(text) or MOST_CLIENTS


_T = "tenants.default."
_P = "tenants.default.policy."
_D = "tenants.default.delivery."

VARIABLES: tuple[Variable, ...] = (
    # Signing and access
    Variable("KEY", _T + "keys", _words),
    Variable("SALT", _T + "salts", _words),
    Variable("SIGNATURE_SIZE", _T + "signature_size", _int),
    Variable("TRUSTED_SIGNATURES", _T + "trusted_signatures", _words),
    Variable("SOURCE_URL_ENCRYPTION_KEY", _T + "source_key", _text),
    Variable("SECRET", _D + "secret", _text),
    # Server
    Variable("BIND", "server.host, server.port", note=":8080, host:port or [address]:port; a Unix socket is refused"),
    Variable("NETWORK", "server.host", note="tcp, tcp4 or tcp6; unix is refused"),
    Variable("PATH_PREFIX", "server.path_prefix", _path),
    Variable("HEALTH_CHECK_PATH", "server.health_path", _path),
    Variable("TIMEOUT", "limits.request_timeout_s", _int),
    Variable("READ_REQUEST_TIMEOUT", "server.read_timeout_s", _int),
    Variable("WRITE_RESPONSE_TIMEOUT", "server.write_timeout_s", _int),
    Variable("KEEP_ALIVE_TIMEOUT", "server.keep_alive_timeout_s", _int),
    Variable("CLIENT_KEEP_ALIVE_TIMEOUT", "sources.keep_alive_s", _int),
    Variable("DOWNLOAD_TIMEOUT", "limits.fetch_timeout_s", _int),
    Variable("GRACEFUL_STOP_TIMEOUT", "server.drain_timeout_s", _int, "unset: twice IMGPROXY_TIMEOUT"),
    Variable("WORKERS", "engine.workers", _int, "unset: one for each core"),
    Variable("REQUESTS_QUEUE_SIZE", "limits.render_queue", note="0 keeps tintype's bound; there is always one"),
    Variable("MAX_CLIENTS", "limits.clients", _clients, f"0 becomes {MOST_CLIENTS}; there is always a bound"),
    Variable("ENABLE_DEBUG_HEADERS", "server.debug_headers", _bool),
    Variable("DEVELOPMENT_ERRORS_MODE", "server.development_errors", _bool),
    # Delivery
    Variable("TTL", _D + "ttl_s", _int),
    Variable("CACHE_CONTROL_PASSTHROUGH", _D + "origin_cache_control", _bool),
    Variable("SET_CANONICAL_HEADER", _D + "canonical_header", _bool),
    Variable("USE_ETAG", _D + "etag", _bool),
    Variable("ETAG_BUSTER", _D + "etag_buster", _text),
    Variable("USE_LAST_MODIFIED", _D + "last_modified", _bool),
    Variable("LAST_MODIFIED_BUSTER", _D + "last_modified_buster", _text),
    Variable("RETURN_ATTACHMENT", _D + "attachment", _bool),
    Variable("ALLOW_ORIGIN", _D + "allow_origin", _text),
    Variable("COOKIE_PASSTHROUGH", _D + "cookie_passthrough", _bool),
    Variable("COOKIE_BASE_URL", _D + "cookie_base_url", _text),
    Variable("COOKIE_PASSTHROUGH_ALL", _D + "cookie_passthrough_all", _bool),
    Variable("REQUEST_HEADERS_PASSTHROUGH", _D + "forward_headers", _words),
    # Sources
    Variable("USER_AGENT", "sources.user_agent", _user_agent),
    Variable("MAX_REDIRECTS", "limits.source_redirects", _int),
    Variable("IGNORE_SSL_VERIFICATION", "sources.verify_tls", _not),
    Variable("ALLOWED_SOURCES", _T + "allowed_sources", _words),
    Variable("ALLOW_LOOPBACK_SOURCE_ADDRESSES", "sources.allow_loopback", _bool),
    Variable("ALLOW_LINK_LOCAL_SOURCE_ADDRESSES", "sources.allow_link_local", _bool),
    Variable("ALLOW_PRIVATE_SOURCE_ADDRESSES", "sources.allow_private", _bool),
    Variable("LOCAL_FILESYSTEM_ROOT", "sources.local_root", _text),
    Variable("SOURCE_URL_QUERY_SEPARATOR", "sources.query_separator", note="set and empty: object versions are off"),
    Variable("BASE_URL", _T + "base_url", _text),
    Variable("URL_REPLACEMENTS", _T + "url_replacements", _replacements),
    Variable("BASE64_URL_INCLUDES_FILENAME", _T + "base64_includes_filename", _bool),
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
    Variable("ARGUMENTS_SEPARATOR", _T + "arguments_separator", _text),
    Variable("PRESETS", _T + "presets", note="divided by IMGPROXY_PRESETS_SEPARATOR"),
    Variable("PRESETS_PATH", _T + "presets", note="a file, one preset a line, # begins a comment"),
    Variable("PRESETS_SEPARATOR", _T + "presets", note="unset: a comma"),
    Variable("ONLY_PRESETS", _T + "only_presets", _bool),
    Variable("ALLOWED_PROCESSING_OPTIONS", _T + "allowed_options", _words),
    Variable("ALLOW_SECURITY_OPTIONS", _T + "allow_security_options", _bool),
    # Bounds
    Variable("MAX_SRC_RESOLUTION", _P + "source_pixels", _mega),
    Variable("MAX_SRC_FILE_SIZE", _T + "source_bytes", note="0 keeps tintype's bound; more raises limits.source_bytes"),
    Variable("MAX_ANIMATION_FRAMES", _P + "frames", _int),
    Variable("MAX_ANIMATION_FRAME_RESOLUTION", _P + "frame_pixels", _mega),
    Variable("MAX_RESULT_DIMENSION", _P + "result_side_px", _int),
    # Encoding
    Variable("QUALITY", _P + "quality", _int),
    Variable("FORMAT_QUALITY", _P + "format_quality", _qualities),
    Variable("JPEG_PROGRESSIVE", _P + "jpeg_progressive", _bool),
    Variable("PNG_INTERLACED", _P + "png_interlaced", _bool),
    Variable("PNG_QUANTIZE", _P + "png_quantize", _bool),
    Variable("PNG_QUANTIZATION_COLORS", _P + "png_colors", _int),
    Variable("WEBP_EFFORT", _P + "webp_effort", _int),
    Variable("WEBP_PRESET", _P + "webp_preset", str.lower),
    Variable("AVIF_SPEED", _P + "avif_speed", _int),
    Variable("JXL_EFFORT", _P + "jxl_effort", _int),
    # Formats
    Variable("AUTO_WEBP", _P + "auto_formats"),
    Variable("AUTO_AVIF", _P + "auto_formats"),
    Variable("AUTO_JXL", _P + "auto_formats"),
    Variable("ENFORCE_WEBP", _P + "enforce_formats"),
    Variable("ENFORCE_AVIF", _P + "enforce_formats"),
    Variable("ENFORCE_JXL", _P + "enforce_formats"),
    Variable("ENABLE_CLIENT_HINTS", _P + "client_hints", _bool),
    Variable("PREFERRED_FORMATS", _P + "preferred_formats", _words),
    Variable("SKIP_PROCESSING_FORMATS", _P + "passthrough", _words),
    # Processing
    Variable("AUTO_ROTATE", _T + "auto_rotate", _bool),
    Variable("STRIP_METADATA", _P + "strip_metadata", _bool),
    Variable("KEEP_COPYRIGHT", _P + "keep_copyright", _bool),
    Variable("STRIP_COLOR_PROFILE", _P + "strip_color_profile", _bool),
    Variable("PRESERVE_HDR", _P + "preserve_hdr", _bool),
    Variable("ENFORCE_THUMBNAIL", _P + "enforce_thumbnail", _bool),
    Variable("USE_LINEAR_COLORSPACE", _P + "light", lambda text: "linear" if _bool(text) else "gamma"),
    Variable("DISABLE_SHRINK_ON_LOAD", _P + "shrink_on_load", _not),
    Variable("ALWAYS_RASTERIZE_SVG", _P + "rasterize_svg", _bool),
    Variable("SANITIZE_SVG", _P + "sanitize_svg", _bool),
    # Watermark and fallback
    Variable("WATERMARK_DATA", _T + "watermark.data", _text),
    Variable("WATERMARK_PATH", _T + "watermark.path", _text),
    Variable("WATERMARK_URL", _T + "watermark.url", _text),
    Variable("WATERMARK_OPACITY", _P + "watermark_opacity", _float),
    Variable("FALLBACK_IMAGE_DATA", _T + "fallback.data", _text),
    Variable("FALLBACK_IMAGE_PATH", _T + "fallback.path", _text),
    Variable("FALLBACK_IMAGE_URL", _T + "fallback.url", _text),
    Variable("FALLBACK_IMAGE_HTTP_CODE", _T + "fallback.status", _int),
    Variable("FALLBACK_IMAGE_TTL", _T + "fallback.ttl_s", _int),
    # Telemetry
    Variable("PROMETHEUS_BIND", "server.metrics_host, server.metrics_port"),
    Variable("PROMETHEUS_NAMESPACE", "telemetry.namespace", _text),
    Variable("LOG_FORMAT", "telemetry.log_format", _log_format, "structured and gcp become json"),
    Variable("LOG_LEVEL", "telemetry.log_level", _log_level),
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


@dataclass(frozen=True, slots=True)
class FromImgproxy:
    """What imgproxy's variables say. `paths`: files that they name and that were read."""

    given: list[Given] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)


def read(env: Env) -> FromImgproxy:
    """Read every IMGPROXY_ variable.

    Raises:
        Misconfigured: a value that imgproxy would not take, or a security setting that tintype does not have.
    """
    named = {k.removeprefix(PREFIX): v for k, v in env.items() if k.startswith(PREFIX)}
    if not named:
        return FromImgproxy()
    found = FromImgproxy(warnings=list(_complaints(named)))
    given = {RENAMED.get(name, name): name for name in named}
    mine = {new: named[old] for new, old in sorted(given.items(), key=lambda pair: pair[1] in RENAMED, reverse=True)}
    mine = {name: text for name, text in mine.items() if text.strip() or name == "SOURCE_URL_QUERY_SEPARATOR"}
    for known in VARIABLES:
        if known.read is not None and known.name in mine:
            found.given.append(_one(known.setting, known.name, mine[known.name].strip(), known.read))
    for rule in _RULES:
        found.given.extend(rule(mine, env))
    found.paths.extend(mine[name].strip() for name in ("PRESETS_PATH", "ENV_LOCAL_FILE_PATH") if name in mine)
    # Any variable selects the profile, one that sets nothing too.
    if not found.given:
        found.given.append(Given(("server", "demo"), raw=False, origin="IMGPROXY_ variables"))
    return found


def _one(setting: str, name: str, text: str, read_text: Read) -> Given:
    spec = schema.find(tuple(setting.split(".")))
    assert spec is not None, setting
    try:
        raw = read_text(text)
        # Seconds and counts are read here as imgproxy reads them; the range is the setting's.
        coerce.read(spec, raw)
    except (_Bad, coerce.Wrong) as error:
        shown = "its value (a secret, not shown)" if spec.secret else repr(text)
        raise Misconfigured(
            f"{PREFIX}{name}: {shown} is not allowed; it takes {error!s}"
            if str(error)
            else f"{PREFIX}{name}: {shown} is not allowed; it takes {coerce.takes(spec)}"
        ) from None
    return Given(tuple(setting.split(".")), raw, PREFIX + name)


def _complaints(named: Env) -> Iterator[str]:
    known = {v.name for v in VARIABLES}
    for name, text in sorted(named.items()):
        if name in RENAMED:
            yield f"{PREFIX}{name} is an old name; it is {PREFIX}{RENAMED[name]} now"
        elif name in known or not text.strip():
            continue
        elif name in SECURITY:
            raise Misconfigured(
                f"{PREFIX}{name} is not supported, and without it this server would be less safe: {SECURITY[name]}"
            )
        else:
            yield from _unsupported(name, text, known)


def _unsupported(name: str, text: str, known: set[str]) -> Iterator[str]:
    reason = why_unsupported(name)
    if reason is None:
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.7)
        hint = f"; did you mean {PREFIX}{near[0]}?" if near else ""
        yield f"{PREFIX}{name} is not a variable of imgproxy that tintype knows; it does nothing{hint}"
    elif text.strip().lower() not in ("0", "f", "false"):
        yield f"{PREFIX}{name} does nothing: {reason}"


# Rules: variables that are read together


def _address(name: str, text: str, host: str, port: str) -> Iterator[Given]:
    """`:8080`, `host:8080`, `[::1]:8080`; as in Go, an empty host is every interface."""
    given_host, colon, given_port = text.strip().rpartition(":")
    if text.startswith(("unix:", "/")) or not colon or not given_port.isdecimal() or int(given_port) > 65535:
        raise Misconfigured(f"{PREFIX}{name}: {text!r} is not allowed; it takes :port, host:port or [address]:port")
    yield Given(tuple(host.split(".")), given_host.strip("[]") or "0.0.0.0", PREFIX + name)  # noqa: S104
    yield Given(tuple(port.split(".")), int(given_port), PREFIX + name)


def _bind(mine: Env, env: Env) -> Iterator[Given]:
    network = mine.get("NETWORK", "tcp")
    if network not in ("tcp", "tcp4", "tcp6"):
        raise Misconfigured(f"{PREFIX}NETWORK: {network!r} is not allowed; it takes tcp, tcp4 or tcp6")
    # As imgproxy does, PORT counts unless BIND is set.
    text = mine.get("BIND") or (f":{env['PORT']}" if env.get("PORT", "").isdecimal() else ":8080")
    for one in _address("BIND", text, "server.host", "server.port"):
        every = one.raw == "0.0.0.0" and network == "tcp6"  # noqa: S104
        yield Given(one.path, "::", PREFIX + "NETWORK") if every else one


def _prometheus(mine: Env, _env: Env) -> Iterator[Given]:
    if "PROMETHEUS_BIND" in mine:
        yield from _address("PROMETHEUS_BIND", mine["PROMETHEUS_BIND"], "server.metrics_host", "server.metrics_port")


def _drain(mine: Env, _env: Env) -> Iterator[Given]:
    if "TIMEOUT" in mine and "GRACEFUL_STOP_TIMEOUT" not in mine:
        yield Given(("server", "drain_timeout_s"), 2 * _int(mine["TIMEOUT"]), PREFIX + "TIMEOUT")


def _queue(mine: Env, _env: Env) -> Iterator[Given]:
    if "REQUESTS_QUEUE_SIZE" in mine and mine["REQUESTS_QUEUE_SIZE"].strip() != "0":
        yield _one("limits.render_queue", "REQUESTS_QUEUE_SIZE", mine["REQUESTS_QUEUE_SIZE"], _int)


def _file_size(mine: Env, _env: Env) -> Iterator[Given]:
    if "MAX_SRC_FILE_SIZE" in mine:
        one = _one(_T + "source_bytes", "MAX_SRC_FILE_SIZE", mine["MAX_SRC_FILE_SIZE"], _int)
        yield one
        spec = schema.find(("limits", "source_bytes"))
        if spec and one.raw > spec.default:
            yield Given(("limits", "source_bytes"), one.raw, one.origin)


def _negotiation(mine: Env, _env: Env) -> Iterator[Given]:
    for verb, setting in (("AUTO", "auto_formats"), ("ENFORCE", "enforce_formats")):
        names = [n for n in (f"{verb}_JXL", f"{verb}_AVIF", f"{verb}_WEBP") if n in mine]
        if names:
            on = [n.rpartition("_")[2].lower() for n in names if _one(_P + "client_hints", n, mine[n], _bool).raw]
            yield Given(("tenants", "default", "policy", setting), on, ", ".join(PREFIX + n for n in names))


def _presets(mine: Env, _env: Env) -> Iterator[Given]:
    separator = mine.get("PRESETS_SEPARATOR", ",")
    lines = [("PRESETS", part) for part in mine.get("PRESETS", "").split(separator)]
    if "PRESETS_PATH" in mine:
        text = read_file(File(mine["PRESETS_PATH"].strip()))
        lines += [("PRESETS_PATH", line) for line in text.splitlines() if not line.lstrip().startswith("#")]
    lines = [(name, line.strip()) for name, line in lines if line.strip()]
    for name, line in lines:
        if "=" not in line:
            raise Misconfigured(f"{PREFIX}{name}: {line!r} is not a preset; it takes name=options")
    if lines:
        pairs = [[part.strip() for part in line.split("=", 1)] for _, line in lines]
        origin = ", ".join(dict.fromkeys(PREFIX + name for name, _ in lines))
        yield Given(("tenants", "default", "presets"), pairs, origin)


def _separator(mine: Env, _env: Env) -> Iterator[Given]:
    if "SOURCE_URL_QUERY_SEPARATOR" in mine:
        name = "SOURCE_URL_QUERY_SEPARATOR"
        yield Given(("sources", "query_separator"), mine[name], PREFIX + name)


_STORES = {
    "s3": ("S3", {"REGION": "region", "ENDPOINT": "endpoint", "ENDPOINT_USE_PATH_STYLE": "path_style"}),
    "gs": ("GCS", {"KEY": "secret_key", "ENDPOINT": "endpoint"}),
    "abs": ("ABS", {"NAME": "access_key", "KEY": "secret_key", "ENDPOINT": "endpoint"}),
}
_BUCKETS = {"ALLOWED_BUCKETS": "allowed_buckets", "DENIED_BUCKETS": "denied_buckets"}


def _stores(mine: Env, _env: Env) -> Iterator[Given]:
    for store, (prefix, fields) in _STORES.items():
        use = mine.get(f"USE_{prefix}")
        if use is None or not _one("sources.allow_private", f"USE_{prefix}", use, _bool).raw:
            continue
        at = f"sources.stores.{store}."
        yield Given(tuple((at + "kind").split(".")), store, f"{PREFIX}USE_{prefix}")
        for suffix, setting in (fields | _BUCKETS).items():
            name = f"{prefix}_{suffix}"
            if name in mine:
                reader = _bool if setting == "path_style" else _words if suffix in _BUCKETS else _text
                yield _one(at + setting, name, mine[name].strip(), reader)


_RULES: tuple[Callable[[Env, Env], Iterator[Given]], ...] = (
    _bind,
    _prometheus,
    _drain,
    _queue,
    _file_size,
    _negotiation,
    _presets,
    _separator,
    _stores,
)


def with_local_file(env: dict[str, str]) -> dict[str, str]:
    """Return the environment with the variables of IMGPROXY_ENV_LOCAL_FILE_PATH, which win, as with imgproxy."""
    path = env.get(PREFIX + "ENV_LOCAL_FILE_PATH", "").strip()
    return {**env, **_dotenv(read_file(File(path)))} if path else env


def _dotenv(source: str) -> dict[str, str]:
    found = {}
    for line in source.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            value = value.strip()
            quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
            found[name.strip()] = value[1:-1] if quoted else value.partition(" #")[0].strip()
    return found

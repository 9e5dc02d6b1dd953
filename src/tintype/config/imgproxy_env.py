"""Reads imgproxy's environment variables: the table's, those that are read together, and what is to be said of the others.

An empty variable counts as not set.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path as File

from tintype.config import coerce, schema
from tintype.config.given import Given, read_file
from tintype.config.imgproxy_known import SECURITY, why_unsupported
from tintype.config.imgproxy_table import (
    POLICY,
    RENAMED,
    TENANT,
    VARIABLES,
    Bad,
    Read,
    as_bool,
    as_int,
    as_text,
    as_words,
)
from tintype.core.errors import Misconfigured

PREFIX = "IMGPROXY_"
Env = Mapping[str, str]


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
    except (Bad, coerce.Wrong) as error:
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
    """`:8080`, `host:8080`, `[::1]:8080`; as in Go, an empty host is every interface, and localhost this machine's IPv4."""
    given_host, colon, given_port = text.strip().rpartition(":")
    if text.startswith(("unix:", "/")) or not colon or not given_port.isdecimal() or int(given_port) > 65535:
        raise Misconfigured(f"{PREFIX}{name}: {text!r} is not allowed; it takes :port, host:port or [address]:port")
    address = {"": "0.0.0.0", "localhost": "127.0.0.1"}.get(given_host, given_host.strip("[]"))  # noqa: S104
    yield Given(tuple(host.split(".")), address, PREFIX + name)
    yield Given(tuple(port.split(".")), int(given_port), PREFIX + name)


def _bind(mine: Env, env: Env) -> Iterator[Given]:
    network = mine.get("NETWORK", "tcp")
    if network not in ("tcp", "tcp4", "tcp6"):
        raise Misconfigured(f"{PREFIX}NETWORK: {network!r} is not allowed; it takes tcp, tcp4 or tcp6")
    # As imgproxy does, PORT counts unless BIND is set.
    port = env.get("PORT", "")
    text = mine.get("BIND") or (f":{port}" if port.isdecimal() else ":8080" if network == "tcp6" else "")
    for one in _address("BIND", text, "server.host", "server.port") if text else ():
        every = one.raw == "0.0.0.0" and network == "tcp6"  # noqa: S104
        yield Given(one.path, "::", PREFIX + "NETWORK") if every else one


def _prometheus(mine: Env, _env: Env) -> Iterator[Given]:
    if "PROMETHEUS_BIND" in mine:
        yield from _address("PROMETHEUS_BIND", mine["PROMETHEUS_BIND"], "server.metrics_host", "server.metrics_port")


def _drain(mine: Env, _env: Env) -> Iterator[Given]:
    if "TIMEOUT" in mine and "GRACEFUL_STOP_TIMEOUT" not in mine:
        yield Given(("server", "drain_timeout_s"), 2 * as_int(mine["TIMEOUT"]), PREFIX + "TIMEOUT")


def _queue(mine: Env, _env: Env) -> Iterator[Given]:
    if "REQUESTS_QUEUE_SIZE" in mine and mine["REQUESTS_QUEUE_SIZE"].strip() != "0":
        yield _one("limits.render_queue", "REQUESTS_QUEUE_SIZE", mine["REQUESTS_QUEUE_SIZE"], as_int)


def _file_size(mine: Env, _env: Env) -> Iterator[Given]:
    if "MAX_SRC_FILE_SIZE" in mine:
        one = _one(TENANT + "source_bytes", "MAX_SRC_FILE_SIZE", mine["MAX_SRC_FILE_SIZE"], as_int)
        yield one
        spec = schema.find(("limits", "source_bytes"))
        if spec and one.raw > spec.default:
            yield Given(("limits", "source_bytes"), one.raw, one.origin)


def _negotiation(mine: Env, _env: Env) -> Iterator[Given]:
    for verb, setting in (("AUTO", "auto_formats"), ("ENFORCE", "enforce_formats")):
        names = [n for n in (f"{verb}_JXL", f"{verb}_AVIF", f"{verb}_WEBP") if n in mine]
        if names:
            on = [n.rpartition("_")[2].lower() for n in names if _one(POLICY + "client_hints", n, mine[n], as_bool).raw]
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
        if use is None or not _one("sources.allow_private", f"USE_{prefix}", use, as_bool).raw:
            continue
        at = f"sources.stores.{store}."
        yield Given(tuple((at + "kind").split(".")), store, f"{PREFIX}USE_{prefix}")
        for suffix, setting in (fields | _BUCKETS).items():
            name = f"{prefix}_{suffix}"
            if name in mine:
                reader = as_bool if setting == "path_style" else as_words if suffix in _BUCKETS else as_text
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

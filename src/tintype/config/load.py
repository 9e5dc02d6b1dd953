"""Loads a configuration: default < profile < file < environment < flag, every value with where it came from."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from pathlib import Path as File
from typing import Any

from tintype.config import coerce, given, imgproxy_env, schema
from tintype.config.build import Values, build, effective
from tintype.config.given import Given
from tintype.config.profiles import profile
from tintype.config.secrets import Secrets
from tintype.config.validate import validate, warnings
from tintype.config.values import Config, Loaded, Request
from tintype.core.errors import Misconfigured

DEFAULT_FILE = "tintype.toml"


def load(
    overrides: Mapping[str, str] | None = None, env: Mapping[str, str] | None = None, path: str | None = None
) -> Loaded:
    """Load the configuration.

    Args:
        overrides: settings by name, as flags give them: {"server.port": "9000"}.
        env: the environment; None = this process's.
        path: the TOML file; None = TINTYPE_CONFIG, or ./tintype.toml if it is there.

    Raises:
        Misconfigured: naming the setting, where it was given, what was given and what is allowed.
    """
    request = Request(path, dict(overrides or {}), dict(os.environ if env is None else env))
    env = imgproxy_env.with_local_file(dict(request.env))
    file = _file(path, env)
    secrets = Secrets(env)
    from_imgproxy = imgproxy_env.read(env)
    everything = _everything(file, env, request.overrides, from_imgproxy.given)
    values = _values(everything, secrets)
    config = build(values)
    validate(config)
    paths = [*([str(file)] if file else []), *from_imgproxy.paths, *secrets.files, *_stand_in_files(config)]
    return Loaded(
        config=config,
        settings=effective(config, values),
        warnings=(*from_imgproxy.warnings, *warnings(config, {name: origin for name, (_, origin) in values.items()})),
        paths=tuple(dict.fromkeys(paths)),
        request=request,
    )


def reload(loaded: Loaded) -> Loaded:
    """Load again from the same file, environment and flags. Keep the old one if this raises Misconfigured."""
    request = loaded.request
    return load(request.overrides, request.env, request.path)


def watch_paths(loaded: Loaded) -> tuple[str, ...]:
    """Return the files whose change calls for loading again."""
    return loaded.paths


def _file(path: str | None, env: Mapping[str, str]) -> File | None:
    named = path or env.get("TINTYPE_CONFIG")
    if named:
        return File(named)
    return File(DEFAULT_FILE) if File(DEFAULT_FILE).is_file() else None


def _everything(
    file: File | None, env: Mapping[str, str], overrides: Mapping[str, str], from_imgproxy: list[Given]
) -> list[Given]:
    """Return all that was given, the weakest first."""
    from_file = given.from_file(file) if file else []
    names = {
        "tenants": {g.path[1] for g in from_file if g.path[0] == "tenants" and len(g.path) > 1},
        "stores": {g.path[2] for g in from_file if g.path[:2] == ("sources", "stores") and len(g.path) > 2},
    }
    stated = [*from_file, *from_imgproxy, *given.from_env(env, names), *given.from_flags(overrides)]
    tenants = dict.fromkeys(g.path[1] for g in stated if g.path[0] == "tenants" and len(g.path) > 1)
    chosen = next((str(g.raw) for g in reversed(stated) if g.path == ("profile",)), None)
    chosen = chosen or ("imgproxy" if from_imgproxy else "tintype")
    setting = Given(("profile",), chosen, "IMGPROXY_ variables" if from_imgproxy else "default")
    from_profile = profile(chosen, tuple(tenants) or ("default",)) if chosen in ("tintype", "imgproxy") else []
    return [setting, *from_profile, *stated]


def _values(everything: Iterable[Given], secrets: Secrets) -> Values:
    values: Values = {}
    for one in everything:
        spec = schema.find(one.path)
        if spec is None:
            if not _declares(one):
                raise Misconfigured(_unknown(one))
            values[one.path] = (None, one.origin)
            continue
        values[one.path] = (_value(spec, secrets.resolve(spec, one)), one.origin)
    return values


def _declares(one: Given) -> bool:
    """An empty table that names a tenant or a store, and says nothing else of it."""
    return one.raw == {} and (
        (one.path[:1] == ("tenants",) and len(one.path) == 2) or one.path[:2] == ("sources", "stores")
    )


def _value(spec: schema.Spec, one: Given) -> Any:
    try:
        return coerce.read_text(spec, one.raw) if one.text and isinstance(one.raw, str) else coerce.read(spec, one.raw)
    except coerce.Wrong:
        shown = "what was given (not shown, it is a secret)" if spec.secret else repr(one.raw)
        raise Misconfigured(
            f"{'.'.join(one.path)} ({one.origin}): {shown} is not allowed; it takes {coerce.takes(spec)}"
        ) from None


def _unknown(one: Given) -> str:
    name = ".".join(one.path)
    known = [".".join(_like(spec.path, one.path)) for spec in schema.specs().values()]
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f"did you mean {near[0]}?" if near else "`tintype config` lists all settings"
    if near and one.origin.startswith(given.PREFIX):
        hint = f"did you mean {schema.variable(tuple(near[0].split('.')))}?"
    return f"{name} ({one.origin}) is not a setting; {hint}"


def _like(pattern: schema.Path, path: schema.Path) -> schema.Path:
    """Put the operator's own names into a pattern, so that a comparison is about the rest."""
    return tuple(
        path[i] if part == schema.ANY and i < len(path) else "NAME" if part == schema.ANY else part
        for i, part in enumerate(pattern)
    )


def _stand_in_files(config: Config) -> list[str]:
    stand_ins = [s for t in config.tenants for s in (t.tenant.watermark, t.tenant.fallback)]
    return [s.path for s in stand_ins if s.path]

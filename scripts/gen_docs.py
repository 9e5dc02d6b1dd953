"""Writes docs/reference from the code: settings, imgproxy's variables and options, metrics, errors, operations.

`--check` writes nothing, and fails when a page is not what it would write.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).resolve().parent))

from option_words import MEANINGS

from tintype.cli.show import plain
from tintype.config import coerce
from tintype.config.imgproxy_env import PREFIX
from tintype.config.imgproxy_known import SECURITY, UNSUPPORTED
from tintype.config.imgproxy_table import RENAMED, VARIABLES
from tintype.config.profiles import PROFILES
from tintype.config.schema import Spec, specs
from tintype.core.errors import TintypeError, kinds
from tintype.core.pipeline import ORDER
from tintype.dialects.imgproxy.options import OPTIONS, PRO
from tintype.telemetry.metrics import METRICS, OUTCOME, WAYS, Kind, Label, Metric

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "docs" / "reference"
MADE = "<!-- Made by scripts/gen_docs.py from the code; scripts/fix writes it again. -->"

_SECTIONS = {
    "": "The node",
    "server": "[server]",
    "engine": "[engine]",
    "admission": "[admission]",
    "security": "[security]",
    "cache": "[cache]",
    "coordination": "[coordination]",
    "sources": "[sources]",
    "telemetry": "[telemetry]",
    "limits": "[limits]",
    "sources.stores.*": "[sources.stores.NAME]",
    "tenants.*": "[tenants.NAME]",
    "tenants.*.policy": "[tenants.NAME.policy]",
    "tenants.*.delivery": "[tenants.NAME.delivery]",
    "tenants.*.quota": "[tenants.NAME.quota]",
    "tenants.*.key_quota": "[tenants.NAME.key_quota]",
    "tenants.*.client_quota": "[tenants.NAME.client_quota]",
    "tenants.*.watermark": "[tenants.NAME.watermark]",
    "tenants.*.fallback": "[tenants.NAME.fallback]",
}
_SETTINGS_INTRO = """\
Every setting, in the order of a `tintype.toml`. The file is the one given by `--config`, else by `TINTYPE_CONFIG`, else
`./tintype.toml`. A flag (`--set server.port=9000`) wins over a variable (`TINTYPE_SERVER__PORT=9000`), a variable over the
file, the file over the profile, the profile over the default. `tintype config` shows what is in force and where it came from.

- In variables, lists are divided by commas and tables are `name=value,name=value`; `NAME` is a tenant or a store.
- A secret may be given as `file:/path` (for lists: one a line) or `env:NAME`.
- The keys of a tenant may also be written as tables, which keeps key, salt and name together:

```toml
[tenants.acme]
hosts = ["img.acme.com"]
allowed_sources = ["https://photos.acme.com/"]

[[tenants.acme.keys]]
id = "2026"
key = "env:ACME_KEY"
salt = "env:ACME_SALT"

[tenants.acme.presets]
thumb = "rs:fill:64:64/q:70"
```
"""


def settings() -> Iterator[str]:
    yield "# Settings\n"
    yield _SETTINGS_INTRO
    yield "## Profiles\n"
    yield "What each profile changes of the defaults below.\n"
    names = list(dict.fromkeys(name for changes in PROFILES.values() for name in changes))
    rows = (
        (f"`{name}`", *(f"`{_literal(c[name])}`" if name in c else "" for c in PROFILES.values())) for name in names
    )
    yield from _table(("setting", *PROFILES), rows)
    for section, title in _SECTIONS.items():
        found = [s for s in specs().values() if ".".join(s.path[:-1]) == section]
        yield f"## {title}\n"
        yield from _table(("setting", "takes", "default", "meaning"), (_setting(s) for s in found))
        yield f"Variables: `{found[0].variable.rpartition(found[0].path[-1].upper())[0]}...`\n"


def _setting(spec: Spec) -> tuple[str, ...]:
    default = plain(spec.default, spec.default)
    shown = "none" if default in ("", [], {}) else f"`{_literal(default)}`"
    return (f"`{spec.path[-1]}`", coerce.takes(spec), shown, spec.doc + (" Secret." if spec.secret else ""))


def _literal(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return ", ".join(str(item) for item in value)
    if isinstance(value, dict):
        return ", ".join(f"{k}={v}" for k, v in value.items())
    return f"{value:,}".replace(",", "_") if isinstance(value, int) and value > 9999 else str(value)


def variables() -> Iterator[str]:
    yield "# imgproxy's environment variables\n"
    yield (
        "Any variable that begins with `IMGPROXY_` selects the `imgproxy` profile: imgproxy's own defaults (private source\n"
        "addresses allowed, with a warning; gamma-space reduction; WebP effort 4; every interface, port 8080). `tintype config\n"
        "--changed` shows what each one did. Settings are those of [settings.md](settings.md); `default` is the one tenant.\n"
    )
    yield "## Honoured\n"
    rows = ((f"`{PREFIX}{v.name}`", f"`{v.setting}`" if v.setting else "", v.note) for v in VARIABLES)
    yield from _table(("variable", "setting", "note"), rows)
    yield "## Old names\n"
    yield "Taken with a warning.\n"
    yield from _table(("old", "now"), ((f"`{PREFIX}{a}`", f"`{PREFIX}{b}`") for a, b in RENAMED.items()))
    yield "## Refused\n"
    yield "tintype does not start with one of these, as ignoring it would make the server less safe than it was meant to be.\n"
    yield from _table(("variable", "instead"), ((f"`{PREFIX}{a}`", b) for a, b in SECURITY.items()))
    yield "## Without effect\n"
    yield (
        "Named in a warning at start, with the reason. So is a variable that imgproxy does not have, with the nearest name.\n"
        "A variable honoured above is honoured, whatever a pattern here says.\n"
    )
    rows2 = ((", ".join(f"`{PREFIX}{p}`" for p in _names(pattern)), why) for pattern, why in UNSUPPORTED)
    yield from _table(("variables", "why"), rows2)


def _names(pattern: str) -> Iterator[str]:
    for part in pattern.split("|"):
        yield part.removesuffix("$") if part.endswith("$") else part + "*"


def options() -> Iterator[str]:
    yield "# imgproxy options\n"
    yield (
        "Every processing option of the imgproxy dialect. An option is `name:argument:argument`, options are divided by `/`;\n"
        "their order makes no difference, a repeated one counts last. Trailing arguments may be left out.\n"
    )
    rows = (
        (
            f"`{o.names[0]}`",
            ", ".join(f"`{n}`" for n in o.names[1:]),
            o.takes,
            MEANINGS[o.names[0]] + (" Needs `allow_security_options`." if o.guarded else ""),
        )
        for o in OPTIONS
    )
    yield from _table(("option", "also", "takes", "meaning"), rows)
    yield "`pr` (`preset`) takes names of presets, whose options stand in its place.\n"
    yield "## Of imgproxy Pro only\n"
    yield "Refused by name: " + ", ".join(f"`{name}`" for name in sorted(PRO)) + ".\n"


def metrics() -> Iterator[str]:
    yield "# Metrics\n"
    yield (
        "Prometheus metrics on a port of their own (`server.metrics_port`). The prefix is `telemetry.namespace`. A label has a\n"
        "closed set of values, or at most the number given; what is beyond is `other`, so that no request can add series.\n"
    )
    yield from _table(("metric", "kind", "labels", "meaning"), (_metric(m) for m in METRICS))


def _metric(metric: Metric) -> tuple[str, ...]:
    name = f"tintype_{metric.name}{'_total' if metric.kind is Kind.COUNTER else ''}"
    return (f"`{name}`", metric.kind.value, "; ".join(_label(label) for label in metric.labels), metric.help)


def _label(label: Label) -> str:
    if label is OUTCOME:
        return f"`outcome`: {', '.join(WAYS)}, or an [error code](errors.md)"
    return f"`{label.name}`: {', '.join(label.values) if label.values else f'at most {label.most}'}"


def errors() -> Iterator[str]:
    yield "# Errors\n"
    yield (
        "Every error has a stable code: `error` in the log, `code` in the `application/problem+json` of the control API, and in\n"
        "`X-Tintype-Error` of an image URL, before what was wrong and what is allowed. Image URLs answer with the status of\n"
        "their dialect, which may differ from the one here: imgproxy says 404 to a URL that it cannot read.\n"
    )
    rows = ((f"`{code}`", str(kind.status), _retry(kind), _first(kind)) for code, kind in sorted(kinds().items()))
    yield from _table(("code", "status", "retry", "meaning"), rows)


def _retry(kind: type[TintypeError]) -> str:
    return "after `Retry-After`" if kind.retry_after_s else "no"


def _first(kind: type) -> str:
    return (kind.__doc__ or "").strip().splitlines()[0]


def operations() -> Iterator[str]:
    yield "# Operations\n"
    yield (
        "What a pipeline is made of, whatever dialect it came from, in the order in which operations take effect. A dialect\n"
        "writes them in its own words: [imgproxy's](imgproxy-options.md).\n"
    )
    for op in ORDER:
        yield f"## {op.__name__}\n"
        yield " ".join((op.__doc__ or "").split()) + "\n"
        fields = msgspec.structs.fields(op)
        rows = ((f"`{f.name}`", _type(f.type), f"`{_default(f.default)}`") for f in fields)
        if fields:
            yield from _table(("field", "type", "default"), rows)


def _type(kind: object) -> str:
    names = [t.__name__ for t in typing.get_args(kind) if t is not type(None)] or [getattr(kind, "__name__", str(kind))]
    return " or ".join(names)


def _default(value: object) -> str:
    return str(value) if isinstance(value, bool | int | float | str) or value is None else type(value).__name__.lower()


def _table(head: tuple[str, ...], rows: typing.Iterable[tuple[str, ...]]) -> Iterator[str]:
    lines = [" | ".join(head), " | ".join("---" for _ in head)]
    lines += [" | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in row) for row in rows]
    yield "\n".join(f"| {line} |" for line in lines) + "\n"


PAGES: dict[str, Callable[[], Iterator[str]]] = {
    "settings.md": settings,
    "imgproxy-variables.md": variables,
    "imgproxy-options.md": options,
    "metrics.md": metrics,
    "errors.md": errors,
    "operations.md": operations,
}


def page(make: Callable[[], Iterator[str]]) -> str:
    return "\n".join([MADE, "", *make()]).rstrip() + "\n"


def main(arguments: list[str]) -> int:
    stale = []
    for name, make in PAGES.items():
        text, file = page(make), FOLDER / name
        if not file.exists() or file.read_text() != text:
            stale.append(name)
            if "--check" not in arguments:
                FOLDER.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
    if stale:
        print(f"{'not up to date' if '--check' in arguments else 'written'}: {', '.join(stale)}")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Names in pages: settings, variables, metrics, events, errors and sandbox layers exist; claims about URLs hold."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.docs.pages import pages
from tintype.config.imgproxy_known import SECURITY
from tintype.config.imgproxy_table import RENAMED, VARIABLES
from tintype.config.schema import specs
from tintype.core.errors import TintypeError
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings
from tintype.telemetry.metrics import METRICS, Kind

SECTIONS = ("server", "engine", "security", "cache", "coordination", "sources", "telemetry", "limits")
SOURCES = "\n".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
ALL = [
    *pages(),
    *sorted(file for file in (ROOT / "examples").rglob("*") if file.suffix in {".yml", ".yaml", ".service", ".toml"}),
]


@pytest.fixture(params=ALL, ids=lambda page: str(page.relative_to(ROOT)))
def text(request: pytest.FixtureRequest) -> str:
    page: Path = request.param
    return page.read_text("utf-8")


def test_settings_exist(text: str) -> None:
    known = {spec.name for spec in specs().values()} | {
        spec.name.replace("tenants.*", "tenants.NAME") for spec in specs().values()
    }
    known |= {spec.name.replace("tenants.*.", "") for spec in specs().values()}
    named = re.findall(rf"`((?:{'|'.join(SECTIONS)}|tenants\.NAME|policy|delivery)\.[a-z_.]+)(?: = [^`]*)?`", text)
    assert {name for name in set(named) - known if f'"{name}"' not in SOURCES} == set()  # events have such names too


def test_variables_of_tintype_exist(text: str) -> None:
    known = {spec.variable for spec in specs().values()} | {"TINTYPE_CONFIG", "TINTYPE_PYTHON", "TINTYPE_BENCH_CACHE"}
    named = {name.replace("__DEFAULT__", "__NAME__") for name in re.findall(r"TINTYPE_[A-Z_]*[A-Z]", text)}
    assert named - known == set()


def test_variables_of_imgproxy_exist(text: str) -> None:
    known = {v.name for v in VARIABLES} | set(SECURITY) | set(RENAMED) | {"BIN"}  # the last is of the benchmarks
    named = set(re.findall(r"IMGPROXY_([A-Z0-9_]*[A-Z0-9])", text))
    assert named - known == set()


def test_metrics_exist(text: str) -> None:
    known: set[str] = set()
    for metric in METRICS:
        name = f"tintype_{metric.name}"
        known |= (
            {f"{name}_total"}
            if metric.kind is Kind.COUNTER
            else {name, *(f"{name}_{part}" for part in ("bucket", "sum", "count"))}
        )
    assert set(re.findall(r"(?<!\$)tintype_[a-z_]*[a-z]", text)) - known == set()


def test_events_and_errors_exist() -> None:
    page = (ROOT / "docs" / "how-to" / "prometheus.md").read_text("utf-8")
    _, _, table = page.partition("| event | means |")
    events = re.findall(r"^\|(.*?)\|", table, re.MULTILINE)
    names = [name for cell in events for name in re.findall(r"`([a-z_.]+)`", cell)]
    assert len(names) > 8
    for name in names:
        assert f'"{name}"' in SOURCES, name


def test_layers_of_the_sandbox_are_those_of_the_code() -> None:
    page = (ROOT / "docs" / "guide" / "security.md").read_text("utf-8")
    named = {name.split(":")[0] for name in re.findall(r"^\| `([a-z_:]+)` \|", page, re.MULTILINE)}
    code = (ROOT / "src" / "tintype" / "worker" / "sandbox" / "__init__.py").read_text("utf-8")
    assert set(re.findall(r'^        \("([a-z_]+)", ', code, re.MULTILINE)) <= named


def test_files_and_functions_of_the_request_exist() -> None:
    page = (ROOT / "docs" / "guide" / "architecture.md").read_text("utf-8")
    for dotted in re.findall(r"`([A-Z]\w+)\.(\w+)`", page):
        name, method = dotted
        assert re.search(rf"class {name}\b.*?def {method}\b", SOURCES, re.DOTALL), dotted


def _accepts(option: str) -> bool:
    dialect = Imgproxy(ImgproxySettings(allow_security_options=True))
    try:
        dialect.parse(f"/unsafe/{option}/plain/local:///a.jpg", 1e9)
    except TintypeError:
        return False
    return True


@pytest.mark.parametrize(
    "option", ["wm:0.5:ce:0:0:0", "bl:0", "sh:0", "q:0", "ct:a:b", "w:2147483647", "exp:9007199254740992"]
)
def test_accepted_as_the_page_says(option: str) -> None:
    assert _accepts(option)


@pytest.mark.parametrize(
    "option",
    [
        *("t:-1", "exp:-1", "msfs:-1", "mrd:-1", "msr:-1", "maf:0", "dpr:inf", "z:nan", "w:2147483648", "z:1000001"),
        *("rot:36090", "fn:YQpi:1", "exp:9007199254740993"),
    ],
)
def test_refused_as_the_page_says(option: str) -> None:
    assert not _accepts(option)


def test_sources_are_canonical_before_they_are_matched() -> None:
    dialect = Imgproxy(ImgproxySettings(allowed_sources=("https://*.good.example/",)))
    assert (
        dialect.parse("/unsafe/plain/HTTPS://A.GOOD.example:443/x", 0).pipeline.source.url == "https://a.good.example/x"
    )
    for source in ("https://evil.example%3F.good.example/", "https://evil.example%5C.good.example/x"):
        with pytest.raises(TintypeError):
            dialect.parse(f"/unsafe/plain/{source}", 0)

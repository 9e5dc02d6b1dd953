"""examples/monitoring: rules page when they should, and rules, dashboard and runbooks name what there is."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from tests.conftest import ROOT, tool
from tintype.config.schema import specs
from tintype.core.errors import Overloaded, SourceError, kinds
from tintype.telemetry.metrics import METRICS, Kind, Metric
from tintype.telemetry.node import NodeTelemetry
from tintype.telemetry.settings import TelemetrySettings

EXAMPLE = ROOT / "examples" / "monitoring"
RULES = sorted(EXAMPLE.glob("*.yml"))
RULE_FILES = [file for file in RULES if file.name in {"slo.yml", "causes.yml"}]
BOARD = EXAMPLE / "grafana" / "dashboards" / "tintype.json"
# What is written of a metric in PromQL: its name, and the labels that select from it.
SELECTOR = re.compile(r"\b(tintype_[a-z_]+)(?:\{(.*?)\})?")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
OF_PROMETHEUS = {"job", "instance", "le"}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    found = tool("promtool", "apt-get install prometheus")
    return subprocess.run([found, *arguments], capture_output=True, text=True, timeout=300, check=False)


def rules() -> Iterator[dict[str, Any]]:
    for file in RULE_FILES:
        for group in yaml.safe_load(file.read_text("utf-8"))["groups"]:
            yield from group["rules"]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def board() -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(BOARD.read_text("utf-8"))
    return loaded


def expressions() -> list[str]:
    """Return every query of rules and dashboard, those of its variables included."""
    shown = [target["expr"] for panel in board()["panels"] for target in panel.get("targets", ())]
    variables = [v["query"] for v in board()["templating"]["list"] if v["type"] == "query"]
    return [*(rule["expr"] for rule in rules()), *shown, *variables]


def exported() -> dict[str, Metric]:
    names: dict[str, Metric] = {}
    for metric in METRICS:
        endings = {Kind.COUNTER: ("_total",), Kind.GAUGE: ("",), Kind.HISTOGRAM: ("_bucket", "_sum", "_count")}
        names |= {f"tintype_{metric.name}{ending}": metric for ending in endings[metric.kind]}
    return names


def test_rules_are_valid() -> None:
    done = promtool("check", "config", EXAMPLE / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    done = promtool("check", "rules", *RULE_FILES)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", ["slo_test.yml", "causes_test.yml"])
def test_rules_do_what_their_tests_say(name: str) -> None:
    done = promtool("test", "rules", Path(__file__).with_name(name))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("old", "new", "case"),
    [
        pytest.param("> 14.39 and", "> 16 and", "a burn of 14.4", id="threshold"),
        pytest.param("[8m]", "[5m]", "a minute with 5 % of errors", id="window"),
        pytest.param(">= 10", ">= 0", "a few errors", id="few errors"),
        pytest.param("* 0 + 0.1)", "* 0)", "at 3 requests a minute", id="low traffic"),
        pytest.param("* 0 + 0.01)", "* 0 + 0.1)", "latency, corr", id="rare purges"),
        pytest.param('kind="cold",le', 'kind="hit",le', "latency, corr", id="kinds apart"),
        pytest.param(
            "+ sum by (job) (rate(tintype_cache_damaged",
            "- sum by (job) (rate(tintype_cache_damaged",
            "latency, corr",
            id="damage",
        ),
        pytest.param("> 6 and tintype:slo_burn:rate2m", "> 6 and tintype:slo_burn:rate8m", "total failure", id="reset"),
        pytest.param('status!="4xx",', "", "mistakes of clients", id="clients"),
    ],
)
def test_tests_of_rules_notice(old: str, new: str, case: str, tmp_path: Path) -> None:
    text = (EXAMPLE / "slo.yml").read_text("utf-8")
    assert old in text
    loaded = yaml.safe_load(Path(__file__).with_name("slo_test.yml").read_text("utf-8"))
    (one,) = [test for test in loaded["tests"] if test["name"].startswith(case)]
    tests = tmp_path / "slo_test.yml"
    tests.write_text(json.dumps({**loaded, "rule_files": ["slo.yml"], "tests": [one]}), "utf-8")
    (tmp_path / "slo.yml").write_text(text.replace(old, new), "utf-8")
    done = promtool("test", "rules", tests)
    assert done.returncode != 0
    assert "exp:" in done.stdout + done.stderr  # by what it says, not by how it is written


def test_metrics_and_their_labels_exist() -> None:
    known = exported()
    found = [match for expr in expressions() for match in SELECTOR.findall(expr)]
    assert len(found) > 40
    for name, selector in found:
        assert name in known, name
        labels = {label.name: label for label in known[name].labels}
        for label, verb, text in MATCHER.findall(selector):
            assert label in labels or label in OF_PROMETHEUS, f"{name}: {label}"
            if label in labels and labels[label].values and not text.startswith("$"):
                said = {*labels[label].values, "other"}
                pattern = re.compile(text if "~" in verb else re.escape(text))
                for word in text.split("|") if "(" not in text else [text]:
                    assert any(re.fullmatch(word, value) for value in said), f"{name}: {label} never says {word}"
                assert any(pattern.fullmatch(value) for value in said), f"{name}: {label}{verb}{text}"


def test_bounds_of_latency_are_exported_as_written() -> None:
    telemetry = NodeTelemetry(TelemetrySettings(), strict=True)
    telemetry.observe("request_seconds", 0.1, tenant="t", kind="hit")
    telemetry.observe("purge_seconds", 0.1)
    exposed = telemetry.exposition().decode()
    found = {match for expr in expressions() for match in re.findall(r'(tintype_\w+_bucket)\{.*?(le="[^"]+")', expr)}
    assert len(found) == 4
    for name, bound in found:
        assert re.search(rf'^{name}{{(kind="hit",)?{re.escape(bound)}[,}}]', exposed, re.MULTILINE), (name, bound)


def test_recorded_series_that_are_used_are_recorded() -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    used = {name for expr in expressions() for name in re.findall(r"\btintype:[\w:]+", expr)}
    assert used <= recorded
    assert {name for name in recorded - used if ":slo_burn:" not in name} == set()


def test_refusals_and_failures_of_origins_are_those_of_the_code() -> None:
    """A new code of a refusal or of an origin has to be sorted into the objectives."""
    # A quota is the tenant's own: who asks for more than it has made the mistake.
    ours = {code for code, kind in kinds().items() if issubclass(kind, Overloaded)} - {"quota_exceeded"}
    text = (EXAMPLE / "slo.yml").read_text("utf-8")
    listed = re.findall(r'status="4xx",outcome=~"([a-z_|]+)"', text)
    assert listed
    assert all(set(codes.split("|")) == ours for codes in listed)
    origin = {code for code, kind in kinds().items() if issubclass(kind, SourceError)}
    assert {code for code in kinds() if code.startswith("source_")} - {"source_unlisted"} == origin


def test_alerts_have_a_severity_and_a_runbook_that_names_them() -> None:
    assert {alert["labels"]["burn"] for alert in alerts() if "burn" in alert["labels"]} == {"14.4", "6", "3", "1"}
    for alert in alerts():
        assert alert["labels"]["severity"] in {"page", "ticket"}, alert["alert"]
        page = ROOT / alert["annotations"]["runbook"]
        assert f"`{alert['alert']}`" in page.read_text("utf-8").splitlines()[2], alert["alert"]


def test_runbooks_are_of_alerts() -> None:
    linked = {alert["annotations"]["runbook"] for alert in alerts()}
    there = {str(page.relative_to(ROOT)) for page in (ROOT / "docs" / "runbooks").glob("*.md")}
    assert there - {"docs/runbooks/README.md"} == linked


def test_names_in_runbooks_are_of_the_code() -> None:
    """Who searches a log for an event or a code finds it. Settings and metrics: `tests/docs` has those of every page."""
    sources = "\n".join(file.read_text("utf-8") for file in (ROOT / "src").rglob("*.py"))
    recorded = {rule["labels"]["slo"] for rule in rules() if "slo" in rule.get("labels", ())}
    known = (
        recorded
        | {spec.name for spec in specs().values()}
        | {"slo", "burn", "instance", "runbook", "dmesg", "prometheus.yml"}
    )
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        words = set(re.findall(r"`([a-z]+(?:[._][a-z]+)*)`", page.read_text("utf-8"))) - known - exported().keys()
        said = {word for word in words if f'"{word}"' in sources or re.search(rf"^    {word}: ", sources, re.MULTILINE)}
        assert words == said, page.name


def test_panels_that_runbooks_name_exist() -> None:
    shown = {panel["title"] for panel in board()["panels"]}
    for page in (ROOT / "docs" / "runbooks").glob("*.md"):
        assert set(re.findall(r'"([A-Z][^"]+)"', page.read_text("utf-8"))) <= shown, page.name


def test_dashboard_is_what_its_script_makes() -> None:
    command = [sys.executable, str(EXAMPLE / "dashboard.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert json.loads(done.stdout) == board(), f"python {command[1]} > {BOARD}"


def test_panels_have_ids_titles_and_places_of_their_own() -> None:
    panels = board()["panels"]
    for unique in ("id", "title"):
        assert len({panel[unique] for panel in panels}) == len(panels)
    cells = [
        (x, y)
        for at in (panel["gridPos"] for panel in panels)
        for x in range(at["x"], at["x"] + at["w"])
        for y in range(at["y"], at["y"] + at["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_queries_of_the_dashboard_are_promql(tmp_path: Path) -> None:
    queries = [t["expr"] for panel in board()["panels"] for t in panel.get("targets", ())]
    # Grafana fills these in.
    exprs = [q.replace("$__rate_interval", "1m") for q in queries]
    made = [{"record": f"panel:{i}", "expr": expr} for i, expr in enumerate(exprs)]
    file = tmp_path / "queries.yml"
    file.write_text(json.dumps({"groups": [{"name": "panels", "rules": made}]}), "utf-8")
    done = promtool("check", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_provisioning_and_compose_name_files_that_exist() -> None:
    for file in EXAMPLE.rglob("*.yml"):
        yaml.safe_load(file.read_text("utf-8"))
    services = yaml.safe_load((EXAMPLE / "compose.yml").read_text("utf-8"))["services"]
    for service in services.values():
        for volume in service["volumes"]:
            assert (EXAMPLE / volume.split(":")[0]).exists(), volume
    provider = yaml.safe_load((EXAMPLE / "grafana/provisioning/dashboards/tintype.yml").read_text("utf-8"))
    mounted = {volume.split(":")[1] for volume in services["grafana"]["volumes"]}
    assert provider["providers"][0]["options"]["path"] in mounted

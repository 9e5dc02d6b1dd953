"""The repository itself: generated pages are current, everything an operator meets is documented, scripts can be run."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from tests.conftest import ROOT
from tintype.config.policy import POLICY
from tintype.config.schema import specs
from tintype.core.errors import kinds
from tintype.core.pipeline import ORDER
from tintype.core.policy import Policy
from tintype.dialects.imgproxy.options import OPTIONS
from tintype.telemetry.metrics import METRICS, Kind

REFERENCE = ROOT / "docs" / "reference"
KINDS = {"count": Kind.COUNTER, "gauge": Kind.GAUGE, "observe": Kind.HISTOGRAM}


def script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts" / name), *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)


def test_generated_pages_are_current() -> None:
    done = script("gen_docs.py", "--check")
    assert done.returncode == 0, f"{done.stdout}{done.stderr}; run scripts/fix"


def test_links_in_documents_lead_somewhere() -> None:
    done = script("check_links.py")
    assert done.returncode == 0, done.stdout


def test_broken_links_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("# A title\n[good](#a-title) [bad](none.md) [anchor](#no-title) `[code](none2.md)`\n")
    done = script("check_links.py", str(page))
    assert done.returncode == 1
    assert [line.rpartition(": ")[2] for line in done.stdout.splitlines()] == [
        "none.md does not exist",
        "#no-title has no such heading",
    ]


def test_every_setting_has_a_meaning_that_is_a_sentence() -> None:
    for spec in specs().values():
        assert spec.doc.endswith("."), spec.name
        assert spec.doc[0].isupper() or spec.doc.split()[0].rstrip(",.") in {"json", "max-age", "debug", "s3"}, (
            spec.name
        )


def test_every_field_of_the_policy_is_explained() -> None:
    fields = {field.name for field in msgspec.structs.fields(Policy)}
    assert fields == set(POLICY)


def test_every_setting_error_metric_option_and_operation_is_in_the_reference() -> None:
    settings = (REFERENCE / "settings.md").read_text()
    assert all(f"`{spec.path[-1]}`" in settings for spec in specs().values())
    errors = (REFERENCE / "errors.md").read_text()
    assert all(f"| `{code}` |" in errors for code in kinds())
    metrics = (REFERENCE / "metrics.md").read_text()
    assert all(f"`tintype_{m.name}" in metrics for m in METRICS)
    options = (REFERENCE / "imgproxy-options.md").read_text()
    assert all(f"`{name}`" in options for option in OPTIONS for name in option.names)
    operations = (REFERENCE / "operations.md").read_text()
    assert all(f"## {op.__name__}\n" in operations for op in ORDER)


def test_every_error_says_what_it_is() -> None:
    for code, kind in kinds().items():
        assert re.fullmatch(r"[a-z_]+", code)
        assert kind.__doc__, code
        assert kind.__doc__.splitlines()[0].endswith("."), code


def measurements() -> Iterator[tuple[str, str, set[str], str]]:
    """Yield verb, name, labels and place of each call of a telemetry port whose name is written out."""
    for file in sorted((ROOT / "src").rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text())):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if node.func.attr in KINDS and "telemetry" in ast.unparse(node.func.value) and node.args:
                names = [
                    n.value for n in ast.walk(node.args[0]) if isinstance(n, ast.Constant) and isinstance(n.value, str)
                ]
                labels = {k.arg for k in node.keywords if k.arg}
                for name in names:
                    yield node.func.attr, name, labels, f"{file.relative_to(ROOT)}:{node.lineno}"


def test_what_is_measured_is_declared_with_its_labels() -> None:
    declared = {m.name: (m.kind, {label.name for label in m.labels}) for m in METRICS}
    found = list(measurements())
    assert len(found) > 10
    for verb, name, labels, place in found:
        assert declared.get(name) == (KINDS[verb], labels), (
            f"{place}: {name} with {sorted(labels)}: telemetry/metrics.py"
        )


@pytest.mark.parametrize("name", ["serve", "test", "check", "fix", "bench", "lock", "../.ci/run"])
def test_scripts_can_be_run_and_are_shell(name: str) -> None:
    file = ROOT / "scripts" / name
    assert os.access(file, os.X_OK)
    assert subprocess.run(["bash", "-n", str(file)], check=False).returncode == 0
    assert file.read_text().startswith("#!/usr/bin/env bash\n# ")


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock"])
def test_locks_pin_hashes_and_name_no_registry(name: str) -> None:
    text = (ROOT / name).read_text()
    assert "://" not in text
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)==", text, re.MULTILINE)
    assert len(pinned) > 40
    for block in re.split(r"\n(?=[A-Za-z0-9])", text.strip()):
        assert "--hash=sha256:" in block, block.splitlines()[0]


def test_what_serves_needs_no_test_tools() -> None:
    text = (ROOT / "requirements.lock").read_text()
    for tool in ("pytest", "hypothesis", "mypy", "ruff", "schemathesis"):
        assert not re.search(rf"^{tool}==", text, re.MULTILINE)


def test_nothing_is_left_for_later() -> None:
    marks = re.compile(r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "NotImplemented" + "Error")) + r")\b")
    for folder in ("src", "tests", "scripts", "bench"):
        for file in (ROOT / folder).rglob("*.py"):
            assert not marks.search(file.read_text()), file


def test_the_largest_functions_and_files_are_reported() -> None:
    done = script("size_report.py")
    assert done.returncode == 0
    assert re.search(r"functions: \d+, median [\d.]+ lines", done.stdout)
    assert re.search(r"ratio \d", done.stdout)

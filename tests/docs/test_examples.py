"""Examples do what their pages say: signatures agree, a purge arrives, files are valid. `tests/edge` has the one of nginx."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, tool
from tests.docs.test_snippets import ENV
from tests.e2e.node import running
from tintype.cli.proof import png
from tintype.config import load
from tintype.config.schema import specs
from tintype.urls import Signer

EXAMPLES = ROOT / "examples"
ASKED = ("https://example.com/cat.jpg", "rs:fill:300:200", "webp")
KEY, SALT = "736563726574", "68656c6c6f"


@pytest.mark.parametrize(
    ("program", "file"),
    [("python", "sign.py"), ("sh", "sign.sh"), ("bash", "sign.sh"), ("node", "sign.mjs"), ("go run", "sign.go")],
)
def test_programs_sign_alike(program: str, file: str) -> None:
    name, *words = program.split()
    path = sys.executable if name == "python" else tool(name, f"install {name}")
    if file == "sign.sh":
        tool("openssl", "apt-get install openssl")
    command = [path, *words, str(EXAMPLES / "sign" / file), *ASKED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == Signer(KEY, SALT).url(ASKED[0], format="webp", rs=("fill", 300, 200))


@pytest.mark.parametrize("name", ["tenants", "object-stores"])
def test_configurations_load(name: str) -> None:
    loaded = load({}, path=str(EXAMPLES / name / "tintype.toml"), env=ENV)
    assert loaded.paths


def test_kubernetes(tmp_path: Path) -> None:
    yaml = pytest.importorskip("yaml")
    kinds = {one["kind"]: one for one in yaml.safe_load_all((EXAMPLES / "kubernetes" / "tintype.yaml").read_text())}
    assert set(kinds) == {"ConfigMap", "StatefulSet", "Service"}
    toml = kinds["ConfigMap"]["data"]["tintype.toml"]
    for secret in ("key", "salt", "admin-token"):
        (tmp_path / secret).write_text("00" * 16)
    file = tmp_path / "tintype.toml"
    file.write_text(toml.replace("/run/secrets/tintype", str(tmp_path)))
    config = load({}, path=str(file), env={}).config
    pod: dict[str, Any] = kinds["StatefulSet"]["spec"]["template"]["spec"]
    assert pod["terminationGracePeriodSeconds"] > config.ends_within_s
    ports = {port["name"]: port["containerPort"] for port in pod["containers"][0]["ports"]}
    assert ports == {"http": config.server.port, "metrics": config.server.metrics_port}
    probes = {pod["containers"][0][f"{kind}Probe"]["httpGet"]["path"] for kind in ("startup", "readiness", "liveness")}
    assert probes == {"/health", "/ready"}


def test_dockerfile_copies_what_is_there_and_sets_what_exists() -> None:
    text = (EXAMPLES / "docker" / "Dockerfile").read_text()
    for names in re.findall(r"^COPY (?!--from)(.+) \S+$", text, re.MULTILINE):
        assert all((ROOT / name).exists() for name in names.split())
    known = {spec.variable for spec in specs().values()}
    assert set(re.findall(r"TINTYPE_\w+", text)) <= known


def test_systemd_unit(tmp_path: Path) -> None:
    analyze = tool("systemd-analyze", "apt-get install systemd")
    unit = tmp_path / "tintype.service"
    text = (EXAMPLES / "systemd" / "tintype.service").read_text()
    # The verifier wants the program to be there.
    program = shutil.which("true")
    assert program
    unit.write_text(text.replace("/opt/tintype/.venv/bin/tintype", program))
    done = subprocess.run([analyze, "verify", str(unit)], capture_output=True, text=True, timeout=60, check=False)
    assert not [line for line in done.stderr.splitlines() if "tintype.service" in line], done.stderr


# A node


def toml(folder: Path) -> str:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    for name in "ab":
        (photos / f"{name}.png").write_bytes(png())
    return f"""
        server.admin_token = "a token for tests"
        engine.workers = 1
        sources.local_root = "{photos}"
        [tenants.default]
        keys = ["{KEY}"]
        salts = ["{SALT}"]
    """


def signed(name: str, width: int) -> str:
    return Signer(KEY, SALT).url(f"local:///{name}.png", width=width, plain=True)


def test_purge_script(tmp_path: Path) -> None:
    tool("curl", "apt-get install curl")
    script = str(EXAMPLES / "ci" / "purge.sh")
    with running(tmp_path, toml(tmp_path)) as node:
        assert node.ask(signed("a", 8)).status == 200
        assert node.ask(signed("b", 8)).status == 200
        command = [script, f"http://127.0.0.1:{node.port}", "local:///a"]
        right, wrong = (
            {"TINTYPE_SERVER__ADMIN_TOKEN": token, "PATH": "/usr/bin:/bin"} for token in ("a token for tests", "x")
        )
        done = subprocess.run(command, env=right, capture_output=True, text=True, timeout=60, check=False)
        assert (done.returncode, done.stdout.strip()) == (0, '{"results":0,"sources":1}'), done.stderr
        done = subprocess.run(command, env=wrong, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode != 0
        assert "not_signed" in done.stdout

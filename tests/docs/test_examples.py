"""Examples do what their pages say: signatures agree, a purge arrives, an edge sends a source to one node, files are valid."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import shutil
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, missing, tool
from tests.docs.test_snippets import ENV
from tests.e2e.node import Node, free_port, running
from tintype.cli.proof import png
from tintype.config import load
from tintype.config.schema import specs
from tintype.urls import Signer

EXAMPLES = ROOT / "examples"
ASKED = ("https://example.com/cat.jpg", "rs:fill:300:200", "webp")
KEY, SALT = "736563726574", "68656c6c6f"
NAMES = string.ascii_lowercase  # of sources; enough that a hash over two nodes reaches both


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
    grace = config.server.drain_timeout_s + config.limits.request_timeout_s + 5
    assert pod["terminationGracePeriodSeconds"] > grace
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


def test_prometheus() -> None:
    promtool = tool("promtool", "apt-get install prometheus")
    command = [promtool, "check", "config", str(EXAMPLES / "prometheus" / "prometheus.yml")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


# A node, and an edge before two of them


def toml(folder: Path, more: str = "") -> str:
    photos = folder / "photos"
    photos.mkdir(exist_ok=True)
    for name in NAMES:
        (photos / f"{name}.png").write_bytes(png())
    return f"""
        server.admin_token = "a token for tests"
        engine.workers = 1
        sources.local_root = "{photos}"
        [tenants.default]
        keys = ["{KEY}"]
        salts = ["{SALT}"]
        {more}
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


@contextlib.contextmanager
def edge(folder: Path, nodes: list[Node]) -> Iterator[int]:
    """Run nginx with the example's configuration in front of nodes."""
    nginx = tool("nginx", "apt-get install nginx-light")
    port = free_port()
    conf = (EXAMPLES / "nginx" / "tintype.conf").read_text()
    for given, ours in (
        ("127.0.0.1:8081", f"127.0.0.1:{nodes[0].port}"),
        ("127.0.0.1:8082", f"127.0.0.1:{nodes[1].port}"),
        ("listen 80;", f"listen 127.0.0.1:{port};"),
        ("/var/cache/nginx/tintype", str(folder / "kept")),
    ):
        assert conf.count(given) == 1, given
        conf = conf.replace(given, ours)
    folders = " ".join(
        f"{kind}_temp_path {folder / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;" if os.geteuid() == 0 else ""  # its workers write to our folder
    (folder / "nginx.conf").write_text(
        f"{user} daemon off; pid {folder / 'pid'}; error_log {folder / 'error.log'}; events {{}}\n"
        f"http {{ access_log off; {folders}\n{conf}\n}}"
    )
    command = [nginx, "-c", str(folder / "nginx.conf"), "-e", str(folder / "error.log"), "-p", str(folder)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _wait_for(port, process, folder / "error.log")
        yield port
    finally:
        process.terminate()
        process.wait(30)


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if process.poll() is not None:
            missing("an nginx that runs this", log.read_text() if log.exists() else "see its error log")
        with contextlib.suppress(OSError):
            _ask(port, "/health")
            return
        time.sleep(0.05)
    raise AssertionError("nginx does not answer")


def _ask(port: int, path: str, accept: str = "image/avif,image/webp,*/*") -> tuple[int, dict[str, str]]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", path, headers={"Accept": accept, "Host": "img.example.com"})
        answer = connection.getresponse()
        answer.read()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}
    finally:
        connection.close()


@pytest.mark.slow
def test_edge(tmp_path: Path) -> None:
    more = '[tenants.default.policy]\nauto_formats = ["webp"]'
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    with (
        running(folders[0], toml(folders[0], more)) as one,
        running(folders[1], toml(folders[1], more)) as two,
        edge(tmp_path, [one, two]) as port,
    ):
        for name in NAMES:
            for width in (8, 9):
                status, headers = _ask(port, signed(name, width))
                assert (status, headers["x-edge"]) == (200, "MISS")
        assert _ask(port, signed("a", 8))[1]["x-edge"] == "HIT"
        assert _ask(port, signed("a", 8))[1]["content-type"] == "image/webp"
        assert _ask(port, signed("a", 8), "image/png")[1]["content-type"] == "image/png"
        assert _ask(port, "/v1/purge")[0] == _ask(port, "/ready")[0] == 404
    logs = [one.log, two.log]  # of nodes that have ended, as lines are written a moment later
    for name in NAMES:
        reached = [f"/plain/local:///{name}.png" in log for log in logs]
        assert reached.count(True) == 1, (name, reached)
    assert all("/plain/local:///" in log for log in logs)

"""The command line as a person uses it: real processes, one-line errors, exit codes."""

from __future__ import annotations

import hashlib
import hmac
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import threading
import tomllib
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import pytest
from typer.testing import CliRunner, Result

from tintype import __version__
from tintype.cli import app
from tintype.core.formats import Format
from tintype.core.pipeline import Resize
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

COMMANDS = ("serve", "sign", "url", "transform", "check", "config", "purge", "explain", "version")
KEY, SALT = "736563726574", "68656c6c6f"
KEYS = {"TINTYPE_TENANTS__DEFAULT__KEYS": KEY, "TINTYPE_TENANTS__DEFAULT__SALTS": SALT}


def run(*arguments: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TINTYPE_", "IMGPROXY_"))}
    return subprocess.run(
        [sys.executable, "-m", "tintype", *arguments],
        cwd=cwd,
        env={**clean, "COLUMNS": "200", "NO_COLOR": "1", **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def signature(path: str) -> str:
    digest = hmac.new(bytes.fromhex(KEY), bytes.fromhex(SALT) + path.encode(), hashlib.sha256).digest()
    return urlsafe_b64encode(digest).decode().rstrip("=")


def test_version(tmp_path: Path) -> None:
    assert run("version", cwd=tmp_path).stdout.startswith(f"tintype {__version__} ")


@pytest.fixture
def inside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run a command in this process, which is faster where only its words are looked at."""
    for name in [n for n in os.environ if n.startswith(("TINTYPE_", "IMGPROXY_"))]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> Result:
        return CliRunner().invoke(app, arguments, prog_name="tintype")

    return invoke


def test_a_taken_port_is_named_before_anything_starts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), reuse_port=True) as taken:  # as another node does
        port = taken.getsockname()[1]
        quick = ("--set", "server.drain_timeout_s=1", "--set", "limits.request_timeout_s=1")
        done = run("serve", "--port", str(port), "--data-dir", "var", *quick, cwd=tmp_path)
    assert done.returncode == 2
    first, last = done.stderr.splitlines()
    assert (
        json.loads(first).items()
        >= {
            "level": "warning",
            "event": "port_taken",
            "message": f"127.0.0.1:{port} is taken: waiting up to 7 s for who listens there to end; "
            "else set server.host, server.port",
        }.items()
    )
    assert last == (
        f"tintype: server.host, server.port: cannot listen at 127.0.0.1:{port} "
        "(Address already in use); stop what does, or set another"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_has_examples(command: str, inside: Callable[..., Result]) -> None:
    done = inside(command, "--help")
    assert done.exit_code == 0
    assert "Examples:" in done.stdout
    assert f"tintype {command}" in done.stdout


def test_help_names_every_command(inside: Callable[..., Result]) -> None:
    assert all(command in inside("--help").stdout for command in COMMANDS)


def test_an_error_of_a_process_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    done = run("config", "--set", "server.prot=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("tintype: server.prot")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("config", "--set", "server.port"), "NAME=VALUE"),
        (("config", "--config", "none.toml"), "none.toml cannot be read"),
        (("serve", "--port", "70000"), "0 to 65535"),
        (("sign", "/zz:1/plain/local:///a.jpg"), "zz"),
        (("sign", "--tenant", "nobody", "/w:1/plain/local:///a.jpg"), "there is no tenant nobody; there are: default"),
        (("url", "local:///a.jpg", "-o", "w:abc"), "w"),
        (("purge", "--all"), "server.admin_token is not set"),
        (("transform", "zz:1", ".", "--out", "out"), "zz"),
    ],
)
def test_errors_are_one_clear_line(arguments: tuple[str, ...], says: str, inside: Callable[..., Result]) -> None:
    done = inside(*arguments)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.startswith("tintype: ")
    assert done.stderr.count("\n") == 1
    assert says in done.stderr


def test_sign_signs_the_path_as_it_stands(tmp_path: Path) -> None:
    path = "/rs:fit:300:300/plain/https://example.com/a%20b.jpg@webp"
    done = run("sign", path, cwd=tmp_path, **KEYS)
    assert done.stdout.strip() == f"/{signature(path)}{path}"
    based = run(
        "sign", path, "--base", "https://img.example.com/", cwd=tmp_path, TINTYPE_SERVER__PATH_PREFIX="/i", **KEYS
    )
    assert based.stdout.strip() == f"https://img.example.com/i/{signature(path)}{path}"


def test_url_builds_a_url_that_the_dialect_reads(tmp_path: Path) -> None:
    arguments = ("https://e.com/a b@2x.jpg?v=1", "-w", "300", "-h", "200", "--fit", "fill", "-f", "webp", "-o", "q:70")
    done = run("url", *arguments, cwd=tmp_path, **KEYS)
    base, target = (
        done.stdout.strip()[: len("http://127.0.0.1:8080")],
        done.stdout.strip()[len("http://127.0.0.1:8080") :],
    )
    assert base == "http://127.0.0.1:8080"
    asked = Imgproxy(ImgproxySettings(keys=(KEY,), salts=(SALT,))).parse(target, 0.0)
    assert asked.pipeline.source.url == "https://e.com/a b@2x.jpg?v=1"
    resize = asked.pipeline.find(Resize)
    assert resize is not None
    assert (resize.width, resize.height, resize.fit) == (300, 200, "cover")
    assert (asked.pipeline.output.format, asked.pipeline.output.quality) == (Format.WEBP, 70)


def test_urls_of_the_embedded_default_are_signed_with_its_own_key(tmp_path: Path) -> None:
    first = run("url", "local:///a.jpg", "-w", "100", cwd=tmp_path)
    again = run("url", "local:///a.jpg", "-w", "100", cwd=tmp_path)
    assert first.stdout == again.stdout
    assert "/unsafe/" not in first.stdout
    assert (tmp_path / "var" / "keys.json").stat().st_mode & 0o077 == 0


def test_config_shows_value_origin_and_meaning_and_no_secret(tmp_path: Path) -> None:
    (tmp_path / "tintype.toml").write_text("[server]\nadmin_token = 'hush-hush'\nport = 9000\n")
    done = run("config", "--changed", cwd=tmp_path, IMGPROXY_KEY=KEY, IMGPROXY_SALT=SALT, IMGPROXY_SENTRY_DSN="x")
    assert done.returncode == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line.split()}
    assert "9000" in lines["server.port"]
    assert "***" in lines["server.admin_token"]
    assert "tintype.toml:2" in lines["server.admin_token"]
    assert "IMGPROXY_KEY" in lines["tenants.default.keys"]
    assert "profile imgproxy" in lines["sources.allow_private"]
    assert "IMGPROXY_SENTRY_DSN does nothing" in done.stdout
    for secret in ("hush-hush", KEY, SALT):
        assert secret not in done.stdout


def test_config_as_json_has_every_setting(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = json.loads(run("config", "--json", cwd=tmp_path, **KEYS).stdout)
    by_name = {row["name"]: row for row in rows}
    assert len(rows) > 100
    assert all(row["meaning"] and row["origin"] for row in rows)
    assert by_name["server.port"] == {
        "name": "server.port",
        "value": 8080,
        "origin": "default",
        "default": 8080,
        "meaning": by_name["server.port"]["meaning"],
    }
    assert by_name["tenants.default.keys"]["value"] == ["***"]
    assert by_name["tenants.default.presets"]["value"] == []


def test_config_as_toml_is_a_configuration(tmp_path: Path) -> None:
    env = {
        **KEYS,
        "TINTYPE_TENANTS__DEFAULT__PRESETS": "a=w:1",
        "TINTYPE_TENANTS__DEFAULT__POLICY__FORMAT_QUALITY": "webp=60",
    }
    text = run("config", "--toml", cwd=tmp_path, **env).stdout
    assert KEY not in text
    assert tomllib.loads(text)["tenants"]["default"]["presets"] == {"a": "w:1"}
    (tmp_path / "tintype.toml").write_text(text)
    again = json.loads(run("config", "--json", cwd=tmp_path, **KEYS).stdout)
    first = json.loads(run("config", "--json", "--config", os.devnull, cwd=tmp_path, **env).stdout)
    assert {r["name"]: r["value"] for r in again} == {r["name"]: r["value"] for r in first}


class Admin(http.server.BaseHTTPRequestHandler):
    """A node's control API as far as the command talks to it; the real one is in tests of the server."""

    seen: ClassVar[list[tuple[str, str, dict[str, Any]]]] = []
    status = 200

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.told(body, b'{"results": 3, "sources": 1}')

    def do_GET(self) -> None:
        source = b'{"url": "https://e.com/a.jpg", "known": false, "state": ""}'
        self.told(
            {}, b'{"source": ' + source + b', "planned": null, "quotas": [{"name": "day"}], "steps": ["fetch", "look"]}'
        )

    def told(self, body: dict[str, object], answer: bytes) -> None:
        type(self).seen.append((self.path, self.headers["Authorization"], body))
        answer = answer if self.status == 200 else b'{"detail": "no such tenant"}'
        self.send_response(self.status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: Any) -> None:
        return


@pytest.fixture
def admin() -> Iterator[str]:
    Admin.seen, Admin.status = [], 200
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Admin)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def test_purge_asks_the_node_with_the_token(admin: str, tmp_path: Path) -> None:
    done = run(
        "purge",
        "--source",
        "https://e.com/a.jpg",
        "--soft",
        "--server",
        admin,
        cwd=tmp_path,
        TINTYPE_SERVER__ADMIN_TOKEN="t0",
    )
    assert done.returncode == 0, done.stderr
    assert "3 results and 1 sources are stale" in done.stdout
    assert Admin.seen == [
        ("/v1/purge", "Bearer t0", {"source": "https://e.com/a.jpg", "soft": True, "tenant": ""}),
    ]


def test_explain_tells_people_and_programs(admin: str, tmp_path: Path) -> None:
    url = "/s/w:100/plain/https://e.com/a.jpg?x=1&y"
    options: dict[str, Any] = {"cwd": tmp_path, "TINTYPE_SERVER__ADMIN_TOKEN": "t0"}
    done = run("explain", url, "--accept", "image/webp", "--server", admin, **options)
    assert done.returncode == 0, done.stderr
    source = "source\n  url: https://e.com/a.jpg\n  known: False\n"
    assert done.stdout == f"{source}quotas\n  name: day\nsteps: fetch, look\n"
    told = json.loads(run("explain", url, "--json", "--server", admin, **options).stdout)
    assert told["steps"] == ["fetch", "look"]
    path, token, _ = Admin.seen[0]
    assert (token, dict(parse_qsl(path.partition("?")[2]))) == ("Bearer t0", {"url": url, "accept": "image/webp"})
    Admin.status = 400
    assert "no such tenant" in run("explain", url, "--server", admin, **options).stderr


def test_purge_says_why_it_could_not(admin: str, tmp_path: Path) -> None:
    Admin.status = 422
    done = run("purge", "--all", "--server", admin, cwd=tmp_path, TINTYPE_SERVER__ADMIN_TOKEN="t0")
    assert (done.returncode, done.stderr) == (2, f"tintype: {admin}/v1/purge answered 422: no such tenant\n")
    gone = run("purge", "--all", "--server", "http://127.0.0.1:1", cwd=tmp_path, TINTYPE_SERVER__ADMIN_TOKEN="t0")
    assert gone.returncode == 2
    assert "cannot be reached" in gone.stderr


@pytest.mark.parametrize("arguments", [(), ("--all", "--tag", "a"), ("--source", "a", "--prefix", "b")])
def test_purge_wants_exactly_one_thing(arguments: tuple[str, ...], inside: Callable[..., Result]) -> None:
    done = inside("purge", *arguments)
    assert done.exit_code == 2
    assert "exactly one of" in done.stderr


def test_a_closed_pipe_is_no_traceback(tmp_path: Path) -> None:
    command = f"{sys.executable} -m tintype config | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in done.stderr
    assert re.match(r"setting", done.stdout)

"""What imgproxy 4.0.12 answered to recorded URLs, as far as the URL alone decides it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tintype.core.errors import TintypeError
from tintype.dialects.imgproxy import Imgproxy, ImgproxySettings

NOW = 1_800_000_000.0

# Texts of answers that are decided by the URL and nothing else.
BY_URL = frozenset({"Invalid URL", "Invalid source URL", "Forbidden"})

# Paths that the web layer answers before a dialect sees them, and sources that only fetching refuses.
ELSEWHERE = ("/health", "/alive", "/favicon.ico", "/.well-known", "/img/x")
GUARDED = ("127.0.0.1", "169.254.169.254")


def answer(dialect: Imgproxy, path: str) -> tuple[int, str]:
    try:
        dialect.parse(path, NOW)
    except TintypeError as error:
        return dialect.refusal(error)
    return 200, ""


def test_every_recorded_url_is_read_or_refused_as_recorded(spec: Path) -> None:
    dialect = Imgproxy(ImgproxySettings())
    lines = [line.split("\t") for line in (spec / "imgproxy_cases.tsv").read_text().splitlines()[1:]]
    wrong = []
    for path, status, *_, note in lines:
        expected = (int(status), note) if note in BY_URL else (200, "")
        if (got := answer(dialect, f"/unsafe{path}")) != expected:
            wrong.append((path, got, expected))
    assert not wrong
    assert len(lines) > 800


def test_every_recorded_url_has_a_canonical_form_that_means_the_same(spec: Path) -> None:
    dialect = Imgproxy(ImgproxySettings())
    for line in (spec / "imgproxy_cases.tsv").read_text().splitlines()[1:]:
        path, _, *_, note = line.split("\t")
        if note in BY_URL:
            continue
        asked = dialect.parse(f"/unsafe{path}", NOW)
        written = dialect.format(asked)
        assert dialect.parse(written, NOW) == asked
        assert dialect.format(dialect.parse(written, NOW)) == written


def settings_of(env: dict[str, str]) -> ImgproxySettings:
    """Read the few variables that shape the language; the real reading is the configuration's."""
    words = {name: tuple(value.split(",")) for name, value in env.items()}
    pairs = [tuple(part.split("=", 1)) for part in words.get("PRESETS", ())]
    replacements = [tuple(part.split("=", 1)) for part in env.get("URL_REPLACEMENTS", "").split(";") if part]
    values: dict[str, Any] = {
        "keys": words.get("KEY", ()),
        "salts": words.get("SALT", ()),
        "trusted_signatures": words.get("TRUSTED_SIGNATURES", ()),
        "signature_size": int(env.get("SIGNATURE_SIZE", "32")),
        "presets": tuple(pairs),
        "only_presets": "ONLY_PRESETS" in env,
        "allowed_options": words.get("ALLOWED_PROCESSING_OPTIONS", ()),
        "allow_security_options": "ALLOW_SECURITY_OPTIONS" in env,
        "arguments_separator": env.get("ARGUMENTS_SEPARATOR", ":"),
        "base_url": env.get("BASE_URL", ""),
        "url_replacements": tuple(replacements),
        "allowed_sources": words.get("ALLOWED_SOURCES", ()),
        "base64_includes_filename": "BASE64_URL_INCLUDES_FILENAME" in env,
        "auto_rotate": env.get("AUTO_ROTATE") != "false",
    }
    return ImgproxySettings(**values)


def test_recorded_configurations_answer_as_recorded(spec: Path) -> None:
    wrong, count = [], 0
    for line in (spec / "imgproxy_config_cases.jsonl").read_text().splitlines():
        recorded = json.loads(line)
        env = {name: value.replace("{origin}", "http://origin.test") for name, value in recorded["env"].items()}
        dialect = Imgproxy(settings_of(env))
        for request in recorded["requests"]:
            path = request["path"].replace("{origin}", "http://origin.test")
            text = request["answer"].get("text", "")
            elsewhere = path == "/" or path.startswith(ELSEWHERE) or "PATH_PREFIX" in env or "SECRET" in env
            if request["method"] != "GET" or elsewhere or any(host in path for host in GUARDED):
                continue
            status = request["answer"]["status"]
            # Development mode puts the details of the error in the place of its public text.
            by_url = text in BY_URL or text.startswith("Invalid width")
            count += 1
            got, _ = answer(dialect, path)
            if got != (status if by_url else 200):
                wrong.append((recorded["env"], path, got, status, text))
    assert not wrong
    assert count > 100

"""Snippets: Python runs, TOML is a configuration, JSON is JSON, diagrams are drawn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import ROOT
from tests.docs.pages import Block, blocks
from tintype.config import load

# What snippets refer to and no machine has.
ENV = {
    f"{name}_{part}": "00" * 16
    for name, part in (
        *(("IMAGES", "KEY"), ("IMAGES", "SALT"), ("SHOP", "KEY"), ("SHOP", "SALT"), ("SHOP_OLD", "KEY")),
        *(("SHOP_OLD", "SALT"), ("PRESS", "KEY"), ("PRESS", "SALT"), ("ARCHIVE", "SECRET"), ("AZURE", "KEY")),
        *(("GCS_SERVICE", "ACCOUNT"), ("IMAGES_ADMIN", "TOKEN")),
    )
} | {"VALKEY_URL": "valkey://node:secret@valkey.internal.example:6379/0"}


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_runs(block: Block) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", block.text], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml_is_a_configuration(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = prepared(block.text, tmp_path)
    monkeypatch.chdir(tmp_path)
    loaded = load({}, path=str(file), env={"PATH": os.environ["PATH"], **ENV})
    named = _names(tomllib.loads(file.read_text()))
    known = {setting.name for setting in loaded.settings if setting.changed}
    assert {name for name in named if not name.startswith("tenants.") or "keys" not in name} <= known


def prepared(toml: str, folder: Path) -> Path:
    """Write a configuration whose folders and files are there."""
    (folder / "photos").mkdir()
    (folder / "logo.png").write_bytes(b"")
    (folder / "secret").write_text("00" * 16)
    toml = toml.replace("/srv/photos", str(folder / "photos"))
    toml = toml.replace("/run/secrets/images_salt", str(folder / "secret"))
    file = folder / "snippet.toml"
    file.write_text(toml)
    return file


def _names(table: dict[str, object], at: str = "") -> set[str]:
    names: set[str] = set()
    for key, value in table.items():
        if isinstance(value, dict) and key != "presets":
            names |= _names(value, f"{at}{key}.")
        else:
            names.add(f"{at}{key}")
    return names


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_is_json(block: Block) -> None:
    json.loads(block.text)


def test_images_are_small_and_whole() -> None:
    images = sorted((ROOT / "docs" / "images").iterdir())
    assert images
    for image in images:
        assert image.stat().st_size < 300_000, image
        if image.suffix == ".svg":
            assert ET.parse(image).getroot().tag.endswith("}svg")
        else:
            assert image.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")

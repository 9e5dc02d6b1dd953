"""The embedded keys: made once, private, the same ever after, whatever crashes or races."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tintype.config import Loaded, load, with_keys
from tintype.core.errors import Misconfigured


def embedded(folder: Path) -> Loaded:
    return load({"data_dir": str(folder)}, {})


def test_keys_are_made_once_and_only_the_owner_reads_them(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "var"
    first = with_keys(embedded(folder)).config.tenants[0].imgproxy
    again = with_keys(embedded(folder)).config.tenants[0].imgproxy
    assert first.keys == again.keys
    assert first.salts == again.salts
    assert len(bytes.fromhex(first.keys[0])) == 32
    assert first.keys != first.salts
    assert stat.S_IMODE((folder / "keys.json").stat().st_mode) == 0o600
    assert [p.name for p in folder.iterdir()] == ["keys.json"]


def test_where_they_came_from_is_shown(tmp_path: Path) -> None:
    loaded = with_keys(embedded(tmp_path))
    origins = {s.name: s.origin for s in loaded.settings}
    assert origins["tenants.default.keys"] == str(tmp_path / "keys.json")
    assert origins["tenants.default.policy.quality"] == "default"


def test_a_configuration_with_keys_gets_none(tmp_path: Path) -> None:
    env = {"TINTYPE_TENANTS__DEFAULT__KEYS": "aa", "TINTYPE_TENANTS__DEFAULT__SALTS": "bb"}
    loaded = load({"data_dir": str(tmp_path)}, env)
    assert with_keys(loaded) is loaded
    imgproxy = load({"data_dir": str(tmp_path)}, {"IMGPROXY_TTL": "1"})
    assert with_keys(imgproxy) is imgproxy
    assert list(tmp_path.iterdir()) == []


def test_looking_makes_none(tmp_path: Path) -> None:
    loaded = embedded(tmp_path / "var")
    assert with_keys(loaded, create=False) is loaded
    assert not (tmp_path / "var").exists()


def test_of_processes_that_start_at_once_one_wins(tmp_path: Path) -> None:
    code = (
        "import sys; from tintype.config import load, with_keys; sys.stdin.read();"
        "print(with_keys(load({'data_dir': sys.argv[1]}, {})).config.tenants[0].imgproxy.keys[0])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "var")]
    started = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(6)]
    for process in started:
        assert process.stdin
        process.stdin.close()
    found = set()
    for process in started:
        assert process.stdout
        found.add(process.stdout.read())
        process.stdout.close()
        assert process.wait(60) == 0
    assert len(found) == 1
    assert [p.name for p in (tmp_path / "var").iterdir()] == ["keys.json"]


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"id": "a", "key": "zz", "salt": "aa"}', '{"id":"a","key":"","salt":""}']
)
def test_a_damaged_file_is_refused_and_left_alone(text: str, tmp_path: Path) -> None:
    (tmp_path / "keys.json").write_text(text)
    with pytest.raises(Misconfigured, match=r"keys\.json is damaged; put back a copy"):
        with_keys(embedded(tmp_path))
    assert (tmp_path / "keys.json").read_text() == text


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="set data_dir"):
        with_keys(embedded(tmp_path / "file" / "var"))


def test_the_file_is_plain_json(tmp_path: Path) -> None:
    with_keys(embedded(tmp_path))
    assert set(json.loads((tmp_path / "keys.json").read_text())) == {"id", "key", "salt"}

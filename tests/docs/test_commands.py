"""Commands shown: each `tintype ...` parses, and those that cost nothing run; scripts named exist."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer.main

from tests.conftest import ROOT
from tests.docs.pages import Block, blocks, pages
from tests.docs.test_snippets import ENV
from tintype.cli import app

_NESTED = re.compile(r"\$\((tintype [^()]*)\)")
# Which configuration the commands of a page are shown with.
_CONFIGS = {"tenants.md": "tenants", "object-stores.md": "object-stores"}
_RUN = ("url", "sign", "config", "version")


@dataclass(frozen=True)
class Command:
    """A command line of a page."""

    block: Block
    text: str

    def __str__(self) -> str:
        return f"{self.block.page.name}: {self.text}"


def _commands() -> Iterator[Command]:
    for block in blocks("sh"):
        for line in block.text.replace("\\\n", " ").splitlines():
            text = line.strip()
            yield from (Command(block, found) for found in _NESTED.findall(text))
            if text.startswith("tintype "):
                yield Command(block, text)


COMMANDS = list(_commands())


def _words(text: str) -> list[str]:
    """Split as a shell does: no comment, nothing after a pipe or redirection, file patterns filled in."""
    words = shlex.split(re.split(r" [|>] ", text)[0], comments=True)
    return [name for word in words for name in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the files that pages speak of."""
    for name in ("photos", "scans"):
        (tmp_path / name).mkdir()
    for name in ("cat.jpg", "scans/a.tiff"):
        (tmp_path / name).write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_pages_show_commands() -> None:
    assert len(COMMANDS) > 30
    assert {text.split()[1] for text in (c.text for c in COMMANDS)} >= {"serve", "url", "sign", "purge", "check"}


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_a_command_parses(command: Command, folder: Path) -> None:
    _, name, *arguments = _words(command.text)
    group = typer.main.get_command(app)
    known = group.commands  # type: ignore[attr-defined]
    assert name in known
    known[name].make_context(name, list(arguments))  # raises what a person would be told


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.text.split()[1] in _RUN], ids=str)
def test_a_command_runs(command: Command, folder: Path) -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith(("IMGPROXY_", "TINTYPE_"))} | ENV
    env["TINTYPE_DATA_DIR"] = str(folder / "var")
    example = _CONFIGS.get(command.block.page.name)
    if example:
        env["TINTYPE_CONFIG"] = str(ROOT / "examples" / example / "tintype.toml")
    arguments = [sys.executable, "-m", "tintype", *_words(command.text)[1:]]
    done = subprocess.run(arguments, env=env, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_every_command_is_in_a_page() -> None:
    text = "\n".join(page.read_text("utf-8") for page in pages())
    for name in typer.main.get_command(app).commands:  # type: ignore[attr-defined]
        assert f"tintype {name}" in text, name


def test_scripts_that_pages_name_can_be_run() -> None:
    named = {
        name
        for page in pages()
        for name in re.findall(
            r"(?<![\w/-])(?:\./)?((?:scripts|examples)/[\w/-]+(?:\.sh)?)(?=[\s`\]])", page.read_text("utf-8")
        )
    }
    assert {"scripts/serve", "scripts/test"} <= named
    for name in named:
        file = ROOT / name
        assert file.exists(), name
        program = name.startswith("scripts/") or file.suffix == ".sh"
        assert os.access(file, os.X_OK) or not program, name


def test_python_in_examples_is_as_in_the_page() -> None:
    assert (ROOT / "docs" / "how-to" / "sign-urls.md").read_text("utf-8").count(
        "HANOakV7CTPic01txdVzPDVmcPXaTJ9ZJHERcMYja4I"
    ) >= 2

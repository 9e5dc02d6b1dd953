"""`tintype check`: is this machine fit to serve? Configuration, sandbox, codecs, disk and clock, each proved."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tintype.cli.common import ConfigFile, Sets, loaded, quiet
from tintype.cli.proof import prove
from tintype.config import Config, Loaded
from tintype.core.errors import TintypeError

# Before this the clock is not set: certificates fail, and expiring URLs never expire.
EARLIEST = 1_750_000_000  # June 2025
FREE_BYTES = 1_000_000_000


class Verdict(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, how it is, and the facts."""

    what: str
    verdict: Verdict
    facts: str


_STYLES = {Verdict.OK: "green", Verdict.WARNING: "yellow", Verdict.FAILED: "bold red"}


def check(config: ConfigFile = None, sets: Sets = None) -> None:
    """Check that this machine can serve: configuration, sandbox, codecs, disk, clock. Exits with 1 if something fails.

    \b
    Examples:
      tintype check
      tintype check --config /etc/tintype.toml
      tintype check --set security.require_sandbox=true
    """
    given = loaded(config, sets)
    findings = asyncio.run(_findings(given))
    table = Table(box=None, header_style="bold")
    table.add_column("check", no_wrap=True)
    table.add_column("result", no_wrap=True)
    table.add_column("facts", overflow="fold")
    for one in findings:
        table.add_row(one.what, Text(one.verdict, style=_STYLES[one.verdict]), Text(one.facts))
    Console().print(table)
    raise typer.Exit(1 if any(one.verdict is Verdict.FAILED for one in findings) else 0)


async def _findings(given: Loaded) -> list[Finding]:
    found = [*_configuration(given), *_disk(given.config), _clock()]
    return found + [one async for one in _engine(quiet(given))]


def _configuration(given: Loaded) -> Iterator[Finding]:
    changed = sum(s.changed for s in given.settings)
    tenants = ", ".join(t.name for t in given.config.tenants)
    yield Finding(
        "configuration", Verdict.OK, f"{changed} settings changed, profile {given.config.profile}, tenants: {tenants}"
    )
    for warning in given.warnings:
        yield Finding("configuration", Verdict.WARNING, warning)


def _disk(config: Config) -> Iterator[Finding]:
    folder = Path(config.data_dir)
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            file.write(b"tintype")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        yield Finding("disk", Verdict.FAILED, f"{folder} cannot be written ({error.strerror}); set data_dir")
        return
    free = shutil.disk_usage(folder).free
    wanted = config.cache.disk_bytes + config.sources.store_bytes
    facts = f"{folder.resolve()} can be written; {free / 1e9:.1f} GB free, caches may take {wanted / 1e9:.1f} GB"
    verdict = Verdict.OK if free > max(FREE_BYTES, wanted) else Verdict.WARNING
    yield Finding(
        "disk", verdict, facts if verdict is Verdict.OK else f"{facts}; lower cache.disk_bytes, sources.store_bytes"
    )


def _clock() -> Finding:
    now = time.time()
    shown = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(now))
    if now < EARLIEST:
        return Finding(
            "clock", Verdict.FAILED, f"it says {shown}, which is in the past; set it (chrony, systemd-timesyncd)"
        )
    return Finding("clock", Verdict.OK, shown)


async def _engine(config: Config) -> AsyncIterator[Finding]:
    from tintype.wiring.engines import engine as engine_of  # noqa: PLC0415 - adapters are loaded only where the engine is run

    try:
        async with engine_of(config) as engine:
            checkup = await engine.check()
            yield _sandbox(checkup.layers, checkup.missing)
            for proof in checkup.proofs:
                yield Finding("codecs", Verdict.OK, proof)
            async for what, error in prove(engine):
                yield Finding("formats", Verdict.FAILED if error else Verdict.OK, f"{what}: {error}" if error else what)
    except TintypeError as error:
        yield Finding("engine", Verdict.FAILED, str(error))


def _sandbox(layers: tuple[str, ...], missing: tuple[str, ...]) -> Finding:
    facts = f"in force: {', '.join(layers) or 'none'}"
    if not missing:
        return Finding("sandbox", Verdict.OK, facts)
    return Finding(
        "sandbox",
        Verdict.WARNING,
        f"{facts}; this system lacks {', '.join(missing)} (security.require_sandbox refuses that)",
    )

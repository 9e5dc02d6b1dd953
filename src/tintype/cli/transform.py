"""`tintype transform`: an option string over files and folders, through the engine that serves URLs."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from tintype.cli.batch import Batch, Outcome, Task, pipeline_of, tasks
from tintype.cli.common import ConfigFile, Sets, TenantName, loaded, quiet, tenant_of
from tintype.config import Config

# Failures listed one by one; more are counted.
LISTED = 50


def transform(
    options: Annotated[str, typer.Argument(help="Options as in a URL: rs:fit:800:600/q:80; '' for none.")],
    sources: Annotated[list[Path], typer.Argument(help="Files and folders.", exists=True)],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of the results, or one file.")],
    format: Annotated[str, typer.Option("--format", "-f", help="webp, avif, png ...", show_default=False)] = "",
    workers: Annotated[int, typer.Option(min=0, help="Worker processes; 0 = as configured.")] = 0,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace results that are there.")] = False,
    tenant: TenantName = "",
    config: ConfigFile = None,
    sets: Sets = None,
) -> None:
    """Run options over files or folders. Goes on after errors, lists them, and exits with 1 if there were any.

    \b
    Examples:
      tintype transform rs:fit:800:600/q:80 photos/ --out small/ --format webp
      tintype transform rs:fill:64:64/g:sm cat.jpg --out thumb.png
      tintype transform '' scans/*.tiff --out web/ --format avif --workers 4
    """
    given = loaded(config, sets, engine__workers=workers or None)
    owner = tenant_of(given, tenant)
    # An exact output file names its format, as the end of a URL does.
    single = bool(out.suffix) and len(sources) == 1 and sources[0].is_file() and not out.is_dir()
    pipeline = pipeline_of(options, owner, format or (out.suffix.lstrip(".") if single else ""))
    began = time.monotonic()

    async def work() -> list[Outcome]:
        from tintype.wiring.engines import engine as engine_of  # noqa: PLC0415 - adapters are loaded only where the engine is run

        async with engine_of(quiet(given)) as engine:
            batch = Batch(engine, pipeline, owner, given.config.limits.source_bytes, overwrite=overwrite)
            return await _all(batch, list(tasks(sources, out)), _parallel(given.config))

    outcomes = asyncio.run(work())
    _summary(outcomes, time.monotonic() - began)
    raise typer.Exit(1 if any(o.error for o in outcomes) else 0)


def _parallel(config: Config) -> int:
    return config.engine.workers or os.cpu_count() or 1


async def _all(batch: Batch, todo: list[Task], parallel: int) -> list[Outcome]:
    """Run all tasks, one more than there are workers at once, so that none of them waits for a file to be read."""
    outcomes: list[Outcome] = []
    queue = iter(todo)
    with _progress() as progress:
        bar = progress.add_task("transform", total=len(todo))

        async def worker() -> None:
            for task in queue:
                outcomes.append(await batch.run(task))
                progress.advance(bar)

        await asyncio.gather(*(worker() for _ in range(parallel + 1)))
    return sorted(outcomes, key=lambda o: o.source)


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    return Progress(*columns, console=Console(stderr=True))


def _summary(outcomes: Iterable[Outcome], seconds: float) -> None:
    done = [o for o in outcomes if o.target]
    failed = [o for o in outcomes if o.error]
    skipped = sum(1 for o in outcomes if not o.target and not o.error)
    size_in, size_out = sum(o.size_in for o in done), sum(o.size_out for o in done)
    table = Table(box=None, header_style="bold")
    for name in ("done", "failed", "skipped", "bytes in", "bytes out", "saved", "seconds", "files/s"):
        table.add_column(name, justify="right")
    saved = f"{100 * (1 - size_out / size_in):.0f} %" if size_in else "-"
    rate = f"{len(done) / seconds:.1f}" if seconds else "-"
    counts = (str(len(done)), str(len(failed)), str(skipped), decimal(size_in), decimal(size_out))
    table.add_row(*counts, saved, f"{seconds:.1f}", rate)
    console = Console(soft_wrap=True)
    console.print(table)
    for one in failed[:LISTED]:
        console.print(Text(f"failed: {one.source}: {one.error}", style="red"))
    if len(failed) > LISTED:
        console.print(f"... and {len(failed) - LISTED} more")

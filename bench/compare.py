"""tintype against its peers, on equal terms: every figure about speed in README.md and docs/performance.md is made here.

    python -m bench.compare                  cold requests, all cells, all peers that are here
    python -m bench.compare --quick          the same in two short rounds: to see that it works
    python -m bench.compare --cells jpeg12,png2k --peers tintype-linear,oximg
    python -m bench.compare --mode session   another question (see below)
    python -m bench.compare --write-docs     every mode, then the tables and plots in docs/ and README.md

How it measures. Sources come from nginx over HTTP. All sides run at once and are asked in turn, round by round, for the
same sources, so that whatever else the machine does hits all of them; ratios are of neighbours in a round. No two sources
have the same bytes, so that no cache can answer. CPU is that of a server's whole process tree until it has nothing left to
do: work put off to the background is charged. Memory is the peak of PSS over the tree. Quality is SSIMULACRA2 against a
linear-light Lanczos reduction of the whole source; mean, and what 5 % of the pictures are below.

Modes:
{modes}
Cells: {cells}
Peers: {peers}
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from bench import carried, modes, page, plot
from bench.cells import CELLS, Cell, sources
from bench.field import Effort, Field
from bench.peers import PEERS, Peer, installed
from bench.photos import ROOT
from bench.report import report, table
from bench.sides import Side, reference, row

OUT = ROOT / "bench" / "out"
LOOP = "pyvips"


def here(names: Sequence[str]) -> list[Peer]:
    """Return the peers that can be started; tells which cannot, and how to get them."""
    return [PEERS[name] for name in installed([name for name in names if name != LOOP], PEERS)]


def cells(peers: Sequence[Peer], wanted: Sequence[Cell], effort: Effort, *, loop: bool) -> list[dict[str, Any]]:
    """Return a row for each cell and side, and imgproxy's as carried over where it is not here."""
    rows = []
    for cell in wanted:
        found = measured(cell, peers, effort, loop=loop)
        print(f"\n{cell.title}\n{table(found)}", flush=True)
        rows += [{"cell": cell.name, **each} for each in found]
    if not any(each["side"] == "imgproxy" for each in rows):
        rates = {(each["cell"], each["side"]): each["req/s"] for each in rows if "req/s" in each}
        rows += carried.rows(rates)
    return rows


def measured(cell: Cell, peers: Sequence[Peer], effort: Effort, *, loop: bool) -> list[dict[str, Any]]:
    """Measure one cell: start every side afresh, warm up, then rounds."""
    with ExitStack() as stack:
        field = Field(stack, effort, sources(cell.source, effort.photos))
        sides: list[Side] = [*field.servers(peers), *([field.loop()] if loop else [])]
        able, flaws = field.able(sides, cell.want)
        if not able:
            return [{"side": name, "cannot": flaw} for name, flaw in flaws.items()]
        field.rounds(able, effort.requests, lambda side, files: side.go(files, cell.want, keep=len(field.files)))
        other = reference(able)
        found = [row(s, {**field.judged(s), f"x {other.name}": s.tally.ratio(other.tally)}) for s in able]
    return [*found, *({"side": s.name, "title": s.title, "cannot": flaws[s.name]} for s in sides if s.name in flaws)]


def run(mode: str, args: argparse.Namespace) -> None:
    """Run one mode and report it, to the terminal and as JSON and SVG in bench/out."""
    print(f"\n== {mode}", flush=True)
    effort = Effort(args.rounds, args.requests, args.connections, args.photos)
    peers, wanted, loop = here(args.peers), [CELLS[name] for name in args.cells], LOOP in args.peers
    found = cells(peers, wanted, effort, loop=loop) if mode == "cells" else modes.MODES[mode](peers, effort)
    os.environ["BENCH_JSON"] = str(OUT / f"compare-{mode}.json")
    report(f"compare-{mode}", found, effort=vars(effort), quiet=args.quiet)
    if any(each.get("side") == carried.NAME for each in found):
        print(carried.NOTE)
    plot.write(mode, found, OUT)


def main() -> None:
    """Run what the command line asks for."""
    args = parsed()
    for mode in [] if args.saved else ["cells", *modes.MODES] if args.write_docs else [args.mode]:
        run(mode, args)
    if args.write_docs:
        page.write(OUT, ROOT)


def parsed(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Return what the command line says."""
    everyone = [*PEERS, LOOP]
    text = (__doc__ or "").format(
        modes="\n".join(f"  {name:12} {told}" for name, told in modes.told()),
        cells=", ".join(CELLS),
        peers=", ".join(everyone),
    )
    given = argparse.ArgumentParser(
        "bench.compare", description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    given.add_argument("--mode", default="cells", choices=["cells", *modes.MODES])
    given.add_argument("--cells", default=list(CELLS), type=_names(CELLS), metavar="NAME,...")
    given.add_argument("--peers", default=everyone, type=_names(everyone), metavar="NAME,...")
    given.add_argument("--rounds", type=int, default=5)
    given.add_argument("--requests", type=int, default=48, help="of each side in each round")
    given.add_argument("--connections", type=int, default=6)
    given.add_argument("--photos", type=int, default=8, help="different photos among the sources")
    given.add_argument("--quick", action="store_true", help="two rounds of 12 requests, four photos")
    given.add_argument(
        "--write-docs", action="store_true", help="run every mode, then rewrite docs/performance.md and README.md"
    )
    given.add_argument(
        "--saved", action="store_true", help="with --write-docs: from the figures in bench/out, without a run"
    )
    given.add_argument("--quiet", action="store_true", help="nothing else runs here: the documents call figures final")
    args = given.parse_args(arguments)
    if args.quick:
        args.rounds, args.requests, args.photos = 2, 12, 4
    if args.requests < args.connections:
        given.error("--requests is below --connections: connections would wait for nothing")
    return args


def _names(known: Sequence[str] | dict[str, Any]) -> Any:
    def names(text: str) -> list[str]:
        unknown = set(found := text.split(",")) - set(known)
        if unknown:
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are {', '.join(known)}")
        return found

    return names


if __name__ == "__main__":
    main()

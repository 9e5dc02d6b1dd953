"""Faults and floods against real nodes on loopback: what must hold, what was found, and whether it holds."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench import openload
from bench.faults import page
from bench.faults.cores import cores
from bench.faults.field import Field, Row
from bench.faults.front import front
from bench.faults.purges import purge
from bench.faults.restarts import restart
from bench.faults.retries import retries
from bench.faults.shares import fairness, mixed, priorities
from bench.faults.slow import slow
from bench.report import report

CASES: dict[str, Callable[[Field], Iterator[Row]]] = {
    case.__name__: case for case in (priorities, fairness, mixed, front, restart, cores, purge, retries, slow)
}


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--case", action="append", choices=CASES, help="this one alone; may be given several times")
    given.add_argument("--quick", action="store_true", help="short: to see that it works; its figures mean little")
    given.add_argument("--length", type=float, default=1.0, help="of the loads, of the usual one: 0.5 for half as long")
    given.add_argument("--guide", action="store_true", help="write what is found into the guide's table of proofs")
    args = given.parse_args()
    if openload.program() is None:
        raise SystemExit(f"this needs vegeta: {openload.GET}, or VEGETA_BIN=/path/to/vegeta")
    rows = []
    with tempfile.TemporaryDirectory(prefix="tintype-faults-") as folder:
        field = Field(Path(folder), args.quick, args.length)
        for name in args.case or CASES:
            found = list(CASES[name](field))
            for row in found:
                print({key: value for key, value in row.items() if value != ""}, flush=True)
            if args.guide:
                page.GUIDE.write_text(page.filled(page.GUIDE.read_text(), name, found, _when(args)))
            rows += found
    report("faults", rows, quick=args.quick, length=args.length)


def _when(args: argparse.Namespace) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    if args.quick:
        return f"{day}, quick"
    return day if args.length == 1 else f"{day}, {args.length:g} of the length"


if __name__ == "__main__":
    main()

"""Calls per cache miss: how many functions the front calls, in Python and in C, to fetch, have made and answer one image.

A decode between two requests leaves the caches of the processor cold, so that what the front takes is about how much it
touches. Calls say so to the unit, where milliseconds change with the machine: the figure to hold a change of the hot path
against. Each request is for a source of its own and comes alone. Counting makes the node some times slower.
"""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench import fresh, node
from bench.cells import sources
from bench.report import report

_WAIT_S = 20.0
_WARM = 20  # misses before it is counted: what is remembered is remembered by then
# Python runs it at the start of each process of the node. It counts by the module that is called into, and for C functions
# by the module that calls; SIGUSR2 has it write that to a file of the process, and begin anew.
_COUNTING = """
import collections, os, signal, sys, threading
from pathlib import Path

calls = collections.Counter()


def called(frame, event, function):
    if event in ("call", "c_call"):
        calls[frame.f_code.co_filename, event] += 1


def write(*_):
    lines = [f"{count} {event} {file}" for (file, event), count in calls.copy().items()]
    calls.clear()
    file = Path(os.environ["CALLS_FOLDER"], str(os.getpid()))
    file.with_suffix(".new").write_text("\\n".join(lines))
    file.with_suffix(".new").rename(file)


if any(each == "serve" or each.endswith(".serve") for each in sys.orig_argv):
    signal.signal(signal.SIGUSR2, write)
    threading.setprofile(called)
    sys.setprofile(called)
"""


def counted(running: node.Node, folder: Path) -> Counter[tuple[str, str]]:
    """Return the calls of the front since this was asked last, by file and kind: of its processes, it makes the most."""
    fronts = [process for process in running.processes() if process not in running.workers()]
    for process in fronts:
        (folder / str(process.pid)).unlink(missing_ok=True)
        process.send_signal(signal.SIGUSR2)
    found = [_read(folder / str(process.pid)) for process in fronts]
    return max(found, key=Counter.total)


def _read(file: Path) -> Counter[tuple[str, str]]:
    deadline = time.monotonic() + _WAIT_S
    while not file.exists():
        if time.monotonic() > deadline:
            raise TimeoutError(f"process {file.name} of the node did not write what it had counted")
        time.sleep(0.05)
    calls: Counter[tuple[str, str]] = Counter()
    for line in file.read_text().splitlines():
        count, event, name = line.split(" ", 2)
        calls[_module(name), event] += int(count)
    return calls


def _module(file: str) -> str:
    """Return a short name of a file: of ours below the package, of others its last two parts."""
    package, found, rest = file.rpartition("/tintype/")
    return rest if found and "site-packages" not in package else "/".join(file.rsplit("/", 2)[-2:])


def misses(running: node.Node, base: str, names: list[str], count: int) -> Iterator[float]:
    """Ask for so many images, each of a new source; yields the seconds of each."""
    for number in range(count):
        begun = time.monotonic()
        path = running.path(
            f"{base}/{time.time_ns()}/{names[number % len(names)]}", format="jpg", resize=("fit", 512, 512)
        )
        status = running.ask(path)[0]
        if status != 200:
            raise RuntimeError(f"the node answered {status}:\n{running.log()[-2000:]}")
        yield time.monotonic() - begun


def of_misses(photos: Path, work: Path, requests: int) -> Counter[tuple[str, str]]:
    """Return the calls of the front of a node of its own for so many misses of the photos in a folder."""
    with ExitStack() as stack:
        for folder in ("hook", "calls"):
            (work / folder).mkdir()
        (work / "hook" / "sitecustomize.py").write_text(_COUNTING)
        names = sorted(file.name for file in photos.iterdir())
        base = stack.enter_context(fresh.serving(photos))
        path = os.pathsep.join(filter(None, (str(work / "hook"), os.environ.get("PYTHONPATH", ""))))
        env = {"PYTHONPATH": path, "CALLS_FOLDER": str(work / "calls")}
        running = stack.enter_context(node.running(work / "node", {"sources.allow_loopback": True}, env=env))
        list(misses(running, base, names, _WARM))
        time.sleep(1.0)  # what is written behind the answers
        counted(running, work / "calls")
        list(misses(running, base, names, requests))
        time.sleep(1.0)
        return counted(running, work / "calls")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--requests", type=int, default=40)
    parser.add_argument("--modules", type=int, default=30, help="how many to show")
    parser.add_argument("--cell", default="jpeg2k", help="what kind of source")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        (work / "photos").mkdir()
        for file in sources(args.cell, 6):
            (work / "photos" / file.name).write_bytes(file.read_bytes())
        told(of_misses(work / "photos", work, args.requests), args.requests, args.modules)


def told(calls: Counter[tuple[str, str]], requests: int, most: int) -> None:
    """Print calls per miss by module, the most first, and all of them."""
    by_module: Counter[str] = Counter()
    for (module, _), count in calls.items():
        by_module[module] += count
    rows = [
        {"module": module, "calls": count / requests, **_split(calls, module, requests)}
        for module, count in by_module.most_common(most)
    ]
    kinds = {kind: sum(count for (_, one), count in calls.items() if one == kind) for kind in ("call", "c_call")}
    whole = {"python": kinds["call"] / requests, "c": kinds["c_call"] / requests}
    report("calls", [*rows, {"module": "all", "calls": calls.total() / requests, **whole}], requests=requests)


def _split(calls: Counter[tuple[str, str]], module: str, requests: int) -> dict[str, float]:
    return {"python": calls[module, "call"] / requests, "c": calls[module, "c_call"] / requests}


if __name__ == "__main__":
    main()

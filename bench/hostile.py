"""Hostile inputs through a real node: broken images of the corpus, seeded damage done to them, and bombs.

Each answer must be an image that decodes or a typed 4xx, in time; the front must live, and no worker may take more memory
than it is allowed. What fails is printed with its number: `--only NUMBER --keep FOLDER` writes it out to be looked at.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil

from bench import answers, load, node
from bench.bombs import FROM_HEADER, bombs, refusal
from bench.mutants import Input, Mutants, pictures
from bench.report import report, table

DEADLINE_S = 10.0
# What a deadline may be missed by: the worker's grace, and a client that shares the cores with the workers.
_LATE_S = 2.0
MEMORY_BYTES = 2_000_000_000
_RETRIES = 3
_HEADER_MS = 50.0


@dataclass
class Findings:
    """What became of the inputs."""

    rows: Counter[tuple[int, str]] = field(default_factory=Counter)
    failures: list[dict[str, Any]] = field(default_factory=list)
    crashes: list[dict[str, Any]] = field(default_factory=list)
    slowest: tuple[float, str] = (0.0, "")
    worker_bytes: int = 0
    overloaded: int = 0
    front_died: bool = False
    took_s: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def count(self) -> int:
        return sum(self.rows.values())


class Run:
    """Writes inputs into the node's folder as they are asked for, and judges the answers."""

    def __init__(self, running: node.Node, folder: Path, inputs: Iterator[Input], deadline_s: float) -> None:
        self.findings = Findings()
        self._node, self._folder, self._deadline_s = running, folder, deadline_s
        self._inputs = inputs
        self._asked: dict[str, tuple[Input, int]] = {}
        self._again: list[tuple[Input, int]] = []

    def paths(self) -> Iterator[str]:
        """Yield signed paths, of inputs to be tried again too."""
        while True:
            item = self._again.pop() if self._again else (next(self._inputs, None), 0)
            if item[0] is None:
                return
            yield self._path(item[0], item[1])

    def _path(self, one: Input, tries: int) -> str:
        name = f"{one.number}-{tries}.bin"
        (self._folder / name).write_bytes(one.body)
        path = self._node.path(f"local:///{quote(name)}", format=one.format, **one.options)
        self._asked[path] = (one, tries)
        return path

    def heard(self, answer: load.Answer) -> None:
        one, tries = self._asked.pop(answer.path)
        (self._folder / f"{one.number}-{tries}.bin").unlink()
        if answer.status in (429, 503) and tries < _RETRIES and "deadline_passed" not in _error(answer):
            self.findings.overloaded += 1
            self._again.append((one, tries + 1))
            return
        code = _error(answer).partition(":")[0] or answer.headers.get("content-type", "")
        self.findings.rows[answer.status, code] += 1
        self.findings.slowest = max(self.findings.slowest, (round(answer.seconds, 2), one.name))
        if wrong := judged(answer, self._deadline_s):
            self._note(self.findings.failures, one, answer, wrong)
        if "ended its worker" in _error(answer) or code == "poisoned":
            self._note(self.findings.crashes, one, answer, _error(answer))

    def _note(self, where: list[dict[str, Any]], one: Input, answer: load.Answer, what: str) -> None:
        facts = {"number": one.number, "name": one.name, "to": one.format, "options": str(one.options)}
        where.append({**facts, "status": answer.status, "s": round(answer.seconds, 2), "what": what})


def judged(answer: load.Answer, deadline_s: float = DEADLINE_S) -> str:
    """Return what is wrong with an answer, "" if nothing is."""
    if answer.seconds > deadline_s + _LATE_S:
        return f"answered after {answer.seconds:.1f} s"
    if answer.status == 200:
        return answers.flaw(answer.headers.get("content-type", ""), answer.body)
    if not 400 <= answer.status < 500 or answer.status == 429:
        return f"status {answer.status}: {_error(answer)}"
    return "" if _error(answer) else f"status {answer.status} without X-Tintype-Error"


def _error(answer: load.Answer) -> str:
    return answer.headers.get("x-tintype-error", "")


def check(
    inputs: Iterator[Input], *, connections: int = 8, workers: int = 0, deadline_s: float = DEADLINE_S
) -> Findings:
    """Send inputs through a node of their own, which lets all wait until their deadline: overload is not the question."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as work:
        folder = Path(work) / "sources"
        folder.mkdir()
        settings = {
            "sources.local_root": folder,
            "engine.workers": workers,
            "limits.request_timeout_s": deadline_s,
            "admission.crowd_s": deadline_s,
            "limits.worker_memory_bytes": MEMORY_BYTES,
            "telemetry.log_level": "warning",
        }
        with node.running(Path(work) / "node", settings) as running:
            return _checked(running, Run(running, folder, inputs, deadline_s), connections)


def _checked(running: node.Node, run: Run, connections: int) -> Findings:
    front = running.process.children()[0]
    began = time.monotonic()
    with _watching(running, run.findings):
        load.run(load.Load(running.port, run.paths(), connections=connections, heard=run.heard))
    found = run.findings
    found.took_s = time.monotonic() - began
    found.front_died = not front.is_running() or "front_died" in running.log()
    found.metrics = running.metrics()
    return found


@contextlib.contextmanager
def _watching(running: node.Node, findings: Findings) -> Iterator[None]:
    """Keep the most memory any worker was seen with."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(0.2):
            for worker in running.workers():
                with contextlib.suppress(psutil.Error):
                    findings.worker_bytes = max(findings.worker_bytes, worker.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()


def problems(found: Findings, *, count: int) -> list[str]:
    """Return what is wrong with a whole run, a sentence each."""
    wrong = [f"{one['number']} ({one['name']} -> {one['to']}): {one['what']}" for one in found.failures]
    if found.front_died:
        wrong.append("the front process died")
    if found.worker_bytes > MEMORY_BYTES:
        wrong.append(f"a worker took {found.worker_bytes / 1e6:.0f} MB")
    if found.count != count:
        wrong.append(f"{count} inputs, {found.count} answers")
    return wrong


def header_rows() -> list[dict[str, Any]]:
    """Return how long each bomb takes that its header gives away: the best of three, as the machine does other things."""
    rows = []
    for name, body in bombs():
        if name in FROM_HEADER:
            best = min((refusal(body) for _ in range(3)), key=lambda found: found.cpu_ms)
            rows.append({"bomb": name, "bytes": len(body), "refused as": best.code or "NOT REFUSED", "ms": best.cpu_ms})
    return rows


def bomb_inputs() -> list[Input]:
    return [Input(-1 - n, name, body, "png", {"width": 100}) for n, (name, body) in enumerate(bombs())]


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--n", type=int, default=20_000)
    given.add_argument("--seed", type=int, default=20_261)
    given.add_argument("--start", type=int, default=0, help="number of the first input")
    given.add_argument("--connections", type=int, default=8)
    given.add_argument("--only", type=int, help="one input by its number")
    given.add_argument("--keep", type=Path, help="write what fails or crashes into this folder")
    given.add_argument("--quick", action="store_true", help="500 inputs")
    args = given.parse_args()
    count = 500 if args.quick else args.n
    mutants = Mutants(args.seed, pictures())
    numbers: Sequence[int] = range(args.start, args.start + count)
    inputs: list[Input] = bomb_inputs()
    if args.only is not None:
        numbers, inputs = [args.only], []
    print(f"seed {args.seed}, {len(inputs)} bombs and inputs {numbers[0]} to {numbers[-1]}")
    headers = header_rows()
    print(table(headers))
    found = check(itertools.chain(inputs, map(mutants.input, numbers)), connections=args.connections)
    if args.keep:
        keep(args.keep, found, {i.number: i for i in inputs}, mutants)
    wrong = [f"{row['bomb']}: {row['refused as']} after {row['ms']:.0f} ms" for row in headers if _is_late(row)]
    wrong += problems(found, count=len(inputs) + len(numbers))
    tell(found, args.seed, wrong, headers)


def _is_late(row: dict[str, Any]) -> bool:
    return bool(row["refused as"] == "NOT REFUSED" or row["ms"] > _HEADER_MS)


def keep(folder: Path, found: Findings, special: dict[int, Input], mutants: Mutants) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for one in (*found.failures, *found.crashes):
        number = one["number"]
        body = (special.get(number) or mutants.input(number)).body
        (folder / f"{number}.bin").write_bytes(body)


def tell(found: Findings, seed: int, wrong: list[str], headers: list[dict[str, Any]]) -> None:
    """Print and keep what was found; exits with status 1 if something is wrong."""
    rows = [{"status": status, "code or type": code, "answers": n} for (status, code), n in sorted(found.rows.items())]
    facts = {
        "seed": seed,
        "inputs": found.count,
        "per_s": round(found.count / found.took_s, 1),
        "slowest": "{} s, {}".format(*found.slowest),
        "worker_peak_mb": round(found.worker_bytes / 1e6),
        "overloaded_retries": found.overloaded,
        "worker_crashes": node.total(found.metrics, "engine_crashes_total"),
        "deadlines": node.total(found.metrics, "engine_jobs_total", result="deadline"),
    }
    report("hostile", rows, **facts, headers=headers, crashes=found.crashes, failures=found.failures)
    print(table([{"fact": name, "value": value} for name, value in facts.items()]))
    if found.crashes:
        print("inputs that ended a worker, and were refused:")
        print(table(found.crashes[:50]))
    print("\n".join(wrong[:100]) or "nothing wrong")
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""Open-loop load by vegeta: requests leave when they are due, whatever became of those before (no coordinated omission)."""

from __future__ import annotations

import itertools
import json
import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

GET = "go install github.com/tsenart/vegeta/v12@latest"
IN_TIME_S = 1.0
_TIMEOUT_S = 10  # of a client
_GRACE_S = 60.0
_LAST = 19  # of nice(1)


@dataclass(frozen=True)
class Due:
    """One request: its URL, and what it is a kind of, for a mix of several."""

    url: str
    kind: str = ""


@dataclass(frozen=True)
class Attack:
    """Requests at a steady rate.

    Attributes:
        due: what to ask for, in turn.
        per_s: how often; 0 = as often as the server answers `-max-workers`, which is one of the options then.
        headers: of every request, "Name: value".
        behind: by a client that gets what the rest of the machine leaves, as if it had one of its own.
        lasting_s: for so long, again and again; 0 = each once.
        options: further ones of `vegeta attack`.
    """

    due: Sequence[Due]
    per_s: float
    headers: tuple[str, ...] = ()
    behind: bool = False
    lasting_s: float = 0.0
    options: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return self.lasting_s or len(self.due) / self.per_s


def each_once(due: Iterable[Due], per_s: float, seconds: float, *, behind: bool = False) -> Attack:
    """Return a load of so many seconds that asks for nothing twice."""
    return Attack(list(itertools.islice(due, max(1, int(per_s * seconds)))), per_s, behind=behind)


@dataclass
class Heard:
    """What became of a load. Seconds from when a request was due to the last byte of its answer.

    `each_s`: answered in time, by the second of the load that they were due in. `lasted_s`: between the first and the last
    that left, more than `seconds` if the client could not keep up. `client_s`: CPU seconds of the client, which shares the
    machine with what it asks.
    """

    seconds: float
    asked: Counter[str] = field(default_factory=Counter)
    good: dict[str, list[float]] = field(default_factory=dict)
    refused: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)
    each_s: Counter[int] = field(default_factory=Counter)
    lasted_s: float = 0.0
    client_s: float = 0.0

    @property
    def answered(self) -> float:
        """The part of the requests that was answered with an image."""
        good = sum(map(len, self.good.values()))
        return good / max(1, good + len(self.refused) + self.others.total())

    @property
    def in_time(self) -> Counter[str]:
        """Requests answered with an image within a second, by kind."""
        return Counter({kind: sum(took <= IN_TIME_S for took in times) for kind, times in self.good.items()})

    @property
    def per_s(self) -> float:
        return sum(self.in_time.values()) / self.seconds

    def good_ms(self, percent: float) -> float | None:
        return _percentile_ms([took for times in self.good.values() for took in times], percent)

    @property
    def asked_per_s(self) -> float:
        """How often it was asked, by a client that may not have kept up."""
        return self.asked.total() / max(self.lasted_s, self.seconds)

    def refused_ms(self, percent: float) -> float | None:
        return _percentile_ms(self.refused, percent)


def _percentile_ms(times: list[float], percent: float) -> float | None:
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000 if ordered else None


def program() -> str | None:
    """Return vegeta's path, from $VEGETA_BIN, the PATH or where Go installs."""
    places = (os.environ.get("VEGETA_BIN", ""), str(Path.home() / "go" / "bin" / "vegeta"))
    return shutil.which("vegeta") or next((place for place in places if place and Path(place).is_file()), None)


def attack(due: Iterable[Due], per_s: float, folder: Path, headers: tuple[str, ...] = ()) -> Heard:
    """Ask for each once, at a steady rate; returns when the last has been answered or has timed out."""
    return _attack(Attack(list(due), per_s, headers), folder)


def together(attacks: Sequence[Attack], folder: Path) -> list[Heard]:
    """Run several at the same time; returns what became of each."""
    folders = [folder / f"attack-{number}" for number in range(len(attacks))]
    for one in folders:
        one.mkdir(exist_ok=True)
    with ThreadPoolExecutor(len(attacks)) as threads:
        return list(threads.map(_attack, attacks, folders))


def _attack(attack: Attack, folder: Path) -> Heard:
    before = _ended_cpu_s()
    binary = _run(attack, folder)
    client_s = _ended_cpu_s() - before
    lines = subprocess.run(
        [str(program()), "encode", "-to", "json", str(binary)], capture_output=True, check=True
    ).stdout
    binary.unlink()
    heard = _heard(attack, lines.splitlines())
    heard.client_s = client_s
    return heard


def _ended_cpu_s() -> float:
    """Return the CPU seconds of child processes that have ended: of several clients at once, those of the first to end too."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _run(attack: Attack, folder: Path) -> Path:
    """Return the file of vegeta's results, which the next run in that folder overwrites."""
    targets, found = folder / "targets", folder / "results"
    targets.write_text("".join(f"GET {one.url}\n" for one in attack.due))
    command = ["nice", "-n", str(_LAST)] if attack.behind else []
    command += [str(program()), "attack", "-targets", str(targets), "-output", str(found), "-max-body", "0"]
    command += ["-duration", f"{attack.seconds}s", "-timeout", f"{_TIMEOUT_S}s"]
    command += ["-rate", f"{round(attack.per_s * 100)}/100s" if attack.per_s else "0"]
    command += [] if "-max-workers" in attack.options else ["-max-workers", "10000"]
    command += [part for header in attack.headers for part in ("-header", header)]
    subprocess.run([*command, *attack.options], check=True, timeout=attack.seconds + _TIMEOUT_S + _GRACE_S)
    return found


def _heard(attack: Attack, lines: list[bytes]) -> Heard:
    kinds = {one.url: one.kind for one in attack.due}
    heard = Heard(attack.seconds)
    results = [json.loads(line) for line in lines]
    left = [_at(result) for result in results]
    began = min(left, default=0.0)
    heard.lasted_s = max(left, default=0.0) - began
    for result, at in zip(results, left, strict=True):
        took, kind = result["latency"] / 1e9, kinds[result["url"]]
        heard.asked[kind] += 1
        if result["code"] == 200:
            heard.each_s[int(at - began)] += took <= IN_TIME_S
            heard.good.setdefault(kind, []).append(took)
        elif result["code"] in (429, 503):
            heard.refused.append(took)
        else:
            heard.others[str(result["code"] or result["error"].rpartition(": ")[2])] += 1
    return heard


def _at(result: Mapping[str, Any]) -> float:
    return datetime.fromisoformat(result["timestamp"]).timestamp()

"""Open-loop load by vegeta: requests leave when they are due, whatever became of those before (no coordinated omission)."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

GET = "go install github.com/tsenart/vegeta/v12@latest"
IN_TIME_S = 1.0
_TIMEOUT_S = 10  # of a client
_GRACE_S = 60.0


@dataclass(frozen=True)
class Due:
    """One request: its URL, and what it is a kind of, for a mix of several."""

    url: str
    kind: str = ""


@dataclass
class Heard:
    """What became of a load. Seconds from when a request was due to the last byte of its answer."""

    seconds: float
    asked: Counter[str] = field(default_factory=Counter)
    good: dict[str, list[float]] = field(default_factory=dict)
    refused: list[float] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)

    @property
    def in_time(self) -> Counter[str]:
        """Requests answered with an image within a second, by kind."""
        return Counter({kind: sum(took <= IN_TIME_S for took in times) for kind, times in self.good.items()})

    @property
    def per_s(self) -> float:
        return sum(self.in_time.values()) / self.seconds

    def good_ms(self, percent: float) -> float | None:
        return _percentile_ms([took for times in self.good.values() for took in times], percent)

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
    due = list(due)
    targets = folder / "targets"
    targets.write_text("".join(f"GET {one.url}\n" for one in due))
    seconds = len(due) / per_s
    command = [str(program()), "attack", "-targets", str(targets), "-rate", f"{round(per_s * 100)}/100s"]
    command += ["-duration", f"{seconds}s", "-timeout", f"{_TIMEOUT_S}s", "-max-workers", "10000", "-max-body", "0"]
    command += [part for header in headers for part in ("-header", header)]
    limit = seconds + _TIMEOUT_S + _GRACE_S
    binary = subprocess.run(command, capture_output=True, check=True, timeout=limit).stdout
    lines = subprocess.run(
        [str(program()), "encode", "-to", "json"], input=binary, capture_output=True, check=True
    ).stdout
    return _heard(due, seconds, lines.splitlines())


def _heard(due: list[Due], seconds: float, lines: list[bytes]) -> Heard:
    kinds = {one.url: one.kind for one in due}
    heard = Heard(seconds, Counter(one.kind for one in due))
    for line in lines:
        result = json.loads(line)
        took = result["latency"] / 1e9
        if result["code"] == 200:
            heard.good.setdefault(kinds[result["url"]], []).append(took)
        elif result["code"] in (429, 503):
            heard.refused.append(took)
        else:
            heard.others[str(result["code"] or result["error"].rpartition(": ")[2])] += 1
    return heard

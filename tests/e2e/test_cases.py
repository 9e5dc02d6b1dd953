"""imgproxy's recorded answers against a node in its profile; requests that nobody recorded against what is predicted."""

from __future__ import annotations

import os
import random
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from tests.e2e.node import Answer, Node, running
from tests.golden import facts
from tintype.config import load
from tintype.core.errors import TintypeError
from tintype.core.formats import FACTS, Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.plan import Plan
from tintype.core.resolve import resolve
from tintype.core.sniff import HEAD_BYTES, sniff
from tintype.dialects.imgproxy import Imgproxy
from tintype.worker.probe import probe

Build: TypeAlias = Callable[[random.Random, list[str]], tuple[str, str, str]]

SEED = int(os.environ.get("CASES_SEED", "4711"))
MADE = int(os.environ.get("CASES_MADE", "150"))
# One row in five is asked in the quick run, all in the slow one.
EVERY = 5


@pytest.fixture(scope="module")
def imgproxy_node(tmp_path_factory: pytest.TempPathFactory, corpus: Path) -> Iterator[Node]:
    # Nobody's machine is always quick: the time of a request is not what is compared.
    env = {"IMGPROXY_LOCAL_FILESYSTEM_ROOT": str(corpus), "IMGPROXY_TIMEOUT": "60"}
    with running(tmp_path_factory.mktemp("cases"), env=env) as node:
        yield node


def compared(node: Node, spec: Path, cases: Path, at_least: float, timeout_s: float) -> None:
    script = [sys.executable, str(spec / "imgproxy_cases.py"), "diff", f"http://127.0.0.1:{node.port}", str(cases)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=timeout_s, check=False)
    found = re.search(r"agree (\d+)/(\d+)", done.stdout)
    assert found, done.stderr[-3000:]
    sys.stdout.write(done.stdout)  # shown when the test fails, or with -s
    assert int(found[1]) / int(found[2]) >= at_least, done.stdout


def test_a_part_of_the_recorded_cases(imgproxy_node: Node, spec: Path, tmp_path: Path) -> None:
    head, *rows = (spec / "imgproxy_cases.tsv").read_text().splitlines(keepends=True)
    part = tmp_path / "part.tsv"
    part.write_text(head + "".join(rows[::EVERY]))
    compared(imgproxy_node, spec, part, 0.98, 300)


@pytest.mark.slow
def test_the_recorded_cases(imgproxy_node: Node, spec: Path) -> None:
    compared(imgproxy_node, spec, spec / "imgproxy_cases.tsv", 0.985, 900)


@pytest.mark.slow
def test_the_recorded_configurations(spec: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TINTYPE_DATA_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    command = [sys.executable, str(spec / "imgproxy_config_cases.py"), "diff", str(corpus)]
    command += [str(spec / "imgproxy_config_cases.jsonl"), "--", sys.executable, "-m", "tintype", "serve"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    found = re.search(r"agree (\d+)/(\d+)", done.stdout)
    assert found, done.stderr[-3000:]
    sys.stdout.write(done.stdout)
    assert int(found[1]) / int(found[2]) >= 0.95, done.stdout


# Requests that nobody recorded


class Predictions:
    """What resolving says of a URL before it is asked for."""

    def __init__(self, corpus: Path) -> None:
        self._corpus = corpus
        tenant = load(env={"IMGPROXY_LOCAL_FILESYSTEM_ROOT": str(corpus)}, path=None).config.tenants[0]
        self._policy = tenant.tenant.policy
        self._dialect = Imgproxy(tenant.imgproxy)
        self._infos: dict[str, ImageInfo | None] = {}

    def plan(self, target: str) -> Plan | None:
        """Return the plan, or None where the source is no image that can be shown."""
        asked = self._dialect.parse(target, 0)
        info = self._info(asked.pipeline.source.url.removeprefix("local:///"))
        return resolve(asked.pipeline, info, Offer(), self._policy) if info else None

    def _info(self, name: str) -> ImageInfo | None:
        if name not in self._infos:
            self._infos[name] = self._probe((self._corpus / name).read_bytes())
        return self._infos[name]

    def _probe(self, body: bytes) -> ImageInfo | None:
        kind = sniff(body[:HEAD_BYTES])
        try:
            return probe(kind, body, self._policy.source_pixels) if kind and FACTS[kind].load else None
        except TintypeError:
            return None


def script_parts(spec: Path) -> tuple[Build, list[str]]:
    """Return how the script makes requests, and its list of bad options, without running it."""
    text = (spec / "imgproxy_cases.py").read_text()
    names: dict[str, Any] = {}
    exec(text[text.index("GR = [") : text.index("def fetch(")], names)
    return names["build"], names["BAD"]


def disagreement(plan: Plan | None, answer: Answer) -> str:
    """Return what is wrong with an answer, or nothing."""
    if answer.status == 422:
        return ""  # the header was fine, the pixels were not; which files those are, the recorded cases know
    if answer.status != 200 or plan is None:
        return f"{answer.status} {answer.headers.get('x-tintype-error')}, and the plan is {plan}"
    if plan.rest is not None or plan.save.format is Format.SVG:
        return ""  # trimming decides, and a vector has no pixels
    got = facts.of_answer(answer.headers["content-type"], answer.body)
    seen = (got.type, got.width, got.height, got.frames)
    wanted = (FACTS[plan.save.format].mime, plan.width, plan.height, 1)
    return "" if seen == wanted else f"{seen}, not {wanted}"


def test_other_requests_of_the_same_kind(imgproxy_node: Node, spec: Path, corpus: Path) -> None:
    build, _ = script_parts(spec)
    rng, predictions = random.Random(SEED), Predictions(corpus)
    files = [f"{d}/{f.name}" for d in ("photos", "orientation", "odd") for f in sorted((corpus / d).iterdir())]
    asks = [build(rng, files) for _ in range(MADE)]
    targets = [f"/unsafe/{options}{'/' if options else ''}plain/local:///{file}{ext}" for file, options, ext in asks]
    with ThreadPoolExecutor(4) as many:
        answers = list(many.map(imgproxy_node.ask, targets))
    outcomes = {t: disagreement(predictions.plan(t), a) for t, a in zip(targets, answers, strict=True)}
    wrong = {target: why for target, why in outcomes.items() if why}
    assert not wrong, f"seed {SEED}: {wrong}"
    assert sum(a.status == 200 for a in answers) > MADE * 0.7


def test_bad_options_are_answered_as_recorded_whatever_the_photo(imgproxy_node: Node, spec: Path) -> None:
    _, bad = script_parts(spec)
    rows = [line.split("\t")[:2] for line in (spec / "imgproxy_cases.tsv").read_text().splitlines()]
    recorded = {path.split("/plain/")[0][1:]: int(status) for path, status in rows if status.isdigit()}
    with ThreadPoolExecutor(4) as many:
        answers = many.map(imgproxy_node.ask, [f"/unsafe/{b}/plain/local:///photos/p33.jpg" for b in bad])
        got = {b: a.status for b, a in zip(bad, answers, strict=True)}
    assert got == {b: recorded[b] for b in bad}

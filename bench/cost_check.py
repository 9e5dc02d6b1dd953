"""How well `Plan.cost` predicts: whole renders of photos, each by the table in force and by the one just measured."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from bench.cost_write import Measured
from tintype.core.cost import cost_of
from tintype.core.formats import Format
from tintype.core.info import ImageInfo
from tintype.core.offer import Offer
from tintype.core.pipeline import Blur, Fit, Op, Output, Pipeline, Resize, Rotate, Sharpen, SourceRef
from tintype.core.plan import Plan
from tintype.core.policy import Light, Policy
from tintype.core.resolve import resolve
from tintype.worker.execute import execute
from tintype.worker.probe import probe

# What is asked of each photo, and of the same picture stored in other formats.
ASKED: tuple[tuple[str, tuple[Op, ...], Format, Policy], ...] = (
    ("512 jpeg", (Resize(width=512),), Format.JPEG, Policy()),
    ("512 jpeg linear", (Resize(width=512),), Format.JPEG, Policy(light=Light.LINEAR)),
    ("1200 jpeg", (Resize(width=1200),), Format.JPEG, Policy()),
    ("160 cover", (Resize(width=160, height=160, fit=Fit.COVER),), Format.JPEG, Policy()),
    ("512 webp", (Resize(width=512),), Format.WEBP, Policy()),
    ("512 avif", (Resize(width=512),), Format.AVIF, Policy()),
    ("512 png", (Resize(width=512),), Format.PNG, Policy()),
    ("512 sharpened", (Resize(width=512), Sharpen(sigma=1)), Format.JPEG, Policy()),
    ("512 blurred, turned", (Resize(width=512), Blur(sigma=3), Rotate(angle=90)), Format.JPEG, Policy()),
)
SOURCES = (Format.JPEG, Format.PNG, Format.WEBP, Format.AVIF, Format.TIFF)
_SIZE = (1600, 1200)


def check(files: Sequence[Path], measured: Measured) -> tuple[list[dict[str, Any]], float]:
    """Return a row for each kind of render, and the median of measured to predicted CPU time."""
    bodies = [("photo", Format.JPEG, file.read_bytes()) for file in files[:4]]
    bodies += [(f"2 MP {kind.value}", kind, _stored(files[0], kind)) for kind in SOURCES]
    cases = [
        (source, what, body, *_plan(kind, body, ops, to, policy))
        for source, kind, body in bodies
        for what, ops, to, policy in ASKED
    ]
    measured.put()  # the plans have their costs by the table in force
    found: dict[tuple[str, str], list[Times]] = {}
    for source, what, body, plan, info in cases:
        times = Times(_cpu_ms(plan, body), plan.cost.cpu_ms, cost_of(plan, info).cpu_ms)
        found.setdefault((source, what), []).append(times)
    rows = [_row(source, what, times) for (source, what), times in found.items()]
    return rows, statistics.median(one.took / one.now for times in found.values() for one in times)


class Times(NamedTuple):
    """CPU milliseconds: as they were, by the table in force, by what was measured now."""

    took: float
    before: float
    now: float


def _plan(kind: Format, body: bytes, ops: Sequence[Op], to: Format, policy: Policy) -> tuple[Plan, ImageInfo]:
    info = probe(kind, body, 0)
    return resolve(Pipeline.of(SourceRef(url="x:"), *ops, output=Output(format=to)), info, Offer(), policy), info


def _stored(file: Path, kind: Format) -> bytes:
    ops = (Resize(width=_SIZE[0], height=_SIZE[1], fit=Fit.COVER),)
    plan, _ = _plan(Format.JPEG, file.read_bytes(), ops, kind, Policy())
    return execute(plan, [(Format.JPEG, file.read_bytes())]).body


def _cpu_ms(plan: Plan, body: bytes) -> float:
    best = float("inf")
    for _ in range(2):
        began = time.process_time()
        execute(plan, [(plan.load.format, body)])
        best = min(best, (time.process_time() - began) * 1000)
    return best


def _row(source: str, what: str, times: Sequence[Times]) -> dict[str, Any]:
    took, before, now = (statistics.mean(column) for column in zip(*times, strict=True))
    return {
        "source": source,
        "asked": what,
        "CPU ms": took,
        "in force": before,
        "measured now": now,
        "CPU / now": took / now,
    }

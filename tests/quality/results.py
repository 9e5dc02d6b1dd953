"""Results of the comparison's cells through the engine's own code, and how good they are: SSIMULACRA2 and bytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyvips
from bench.cells import CELLS, Cell
from bench.graphics import ellipse
from bench.judge import score

from tintype.core.formats import Format
from tintype.core.ladder import ladder_of
from tintype.core.offer import Offer
from tintype.core.pipeline import Orient, Output, Pipeline, Resize, SourceRef
from tintype.core.policy import Encoders, Light, Policy, ShrinkTable
from tintype.core.resolve import resolve, resolve_rung
from tintype.worker.execute import execute_all
from tintype.worker.probe import probe

# What the two profiles render with.
POLICIES = {
    Light.LINEAR: Policy(light=Light.LINEAR),
    Light.GAMMA: Policy(
        light=Light.GAMMA,
        encoders=Encoders.IMGPROXY,
        shrink_table=ShrinkTable.IMGPROXY,
        webp_effort=4,
        avif_speed=8,
    ),
}
# Sources of 2048 px: suffix and options of libvips' saver.
SOURCES: dict[str, tuple[str, dict[str, Any]]] = {
    "jpeg2k": (".jpg", {"Q": 90}),
    "png2k": (".png", {"compression": 1}),
    "alpha2k": (".png", {"compression": 1}),
    "webp2k": (".webp", {"Q": 90, "effort": 2}),
    "avif2k": (".avif", {"Q": 75, "effort": 0}),
}
KINDS = {"jpg": Format.JPEG, "png": Format.PNG, "webp": Format.WEBP, "avif": Format.AVIF}


@dataclass(frozen=True)
class Found:
    """Over some photos: SSIMULACRA2 against a linear-light Lanczos reduction of the whole source, and KB."""

    mean: float
    worst: float
    kb: float


def found(cell: Cell, light: Light, photos: Sequence[Path], folder: Path, *, rung: bool = False) -> Found:
    """Render a cell's result of each photo, from a rung if asked to, and judge it."""
    scores, sizes = [], []
    for photo in photos:
        source = photo if cell.source == "jpeg12" else made(photo, cell.source, folder)
        body = rendered(source, cell, POLICIES[light], rung=rung)
        scores.append(score(source, body))
        sizes.append(len(body) / 1024)
    return Found(sum(scores) / len(scores), min(scores), sum(sizes) / len(sizes))


def rendered(source: Path, cell: Cell, policy: Policy, *, rung: bool) -> bytes:
    data, kind = source.read_bytes(), KINDS[source.suffix[1:]]
    info = probe(kind, data, 0)
    output = Output(format=KINDS[cell.want.format], quality=cell.want.quality)
    resize = Resize(width=cell.want.side, height=cell.want.side)
    pipeline = Pipeline.of(SourceRef(url=""), resize, Orient(), output=output)
    rungs = ladder_of(info, policy) if rung else ()
    plan = resolve(pipeline, info, Offer(), policy, rungs)
    assert bool(plan.load.rung) is rung
    first = [resolve_rung(each, info) for each in rungs if each == plan.load.rung]
    return execute_all((*first, plan), [(kind, data)])[-1].body


def made(photo: Path, kind: str, folder: Path) -> Path:
    """Return the source of a cell made of a photo, 2048 px wide."""
    suffix, options = SOURCES[kind]
    file = folder / f"{kind}-{photo.stem}{suffix}"
    if not file.exists():
        image = pyvips.Image.thumbnail(str(photo), 2048, height=10_000, linear=True, export_profile="srgb")
        image = image.bandjoin(ellipse(image.width, image.height)) if kind == "alpha2k" else image
        image.write_to_file(str(file), keep="none", **options)
    return file


def cases() -> list[tuple[str, Light, bool]]:
    """Return every (cell, light, from a rung): the cells of the comparison, and the first of them from a rung."""
    both = [(name, light, False) for name in CELLS for light in Light]
    return both + [("jpeg12", light, True) for light in Light]
